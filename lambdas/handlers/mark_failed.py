"""State `mark-failed`: closes the run as failed, with the name of the error, and releases the lease
of the mailbox."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.model import AccountId, RunId
from mailsync.runs.failure import parse_caught_state_error
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    account_id, run_id = AccountId(event["accountId"]), RunId(event["runId"])
    logger.append_keys(account_id=account_id, run_id=run_id)
    error, message = parse_caught_state_error(event["error"])
    RunStore(open_database()).fail(account_id, run_id, event["executionArn"], error, message)
    logger.error("sync_failed", error=error)
