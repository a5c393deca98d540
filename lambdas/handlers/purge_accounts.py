"""Schedule `purge-accounts`: deletes, in batches, the accounts that are marked for deletion. Also
deletes expired rows of sign-ins, Idempotency-Keys, rate limits and self-tests."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.store.connection import open_database
from mailsync.store.control_store import AccountControlStore
from mailsync.store.limit_store import RateLimitStore
from mailsync.sync.purge import purge_accounts_marked_for_deletion

PURGE_BUDGET_S = 40.0


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    swept = RateLimitStore(open_database()).delete_expired_limits_sign_ins_and_keys()
    return {
        "purged": purge_accounts_marked_for_deletion(
            AccountControlStore(open_database()), PURGE_BUDGET_S
        ),
        "swept": swept,
    }
