"""State `validate-account`: verifies that the account exists and is active."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.model import AccountId
from mailsync.store.account_store import AccountStore
from mailsync.store.connection import open_database


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    logger.append_keys(account_id=event["accountId"])
    account = AccountStore(open_database()).read_active_account(AccountId(event["accountId"]))
    return {"provider": account.provider}
