"""State `mark-syncing`: takes the lease of the mailbox for this execution, and marks the run as
begun. The input contains the id of the run if another execution has handed the run over."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.model import AccountId, RunId, SyncType
from mailsync.store.connection import open_database
from mailsync.store.lease_store import LeaseStore


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    request = event["input"]
    run_id = RunId(request.get("runId", event["runId"]))
    logger.append_keys(account_id=request["accountId"], run_id=run_id)
    epoch = LeaseStore(open_database()).take_lease(
        AccountId(request["accountId"]),
        run_id,
        event["executionArn"],
        SyncType(request.get("syncType", SyncType.MANUAL)),
        request.get("trigger", "console"),
        execution_name=event["runId"],
    )
    logger.info("lease_asked", acquired=epoch is not None)
    return {"acquired": epoch is not None, "epoch": epoch or 0, "runId": run_id}
