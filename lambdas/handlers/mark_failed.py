"""State `mark-failed`: closes the run as failed, with the name of the error, and releases the lease
of the mailbox."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.runs.failure import parse_caught_state_error
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    runs = RunStore(open_database())
    error, message = parse_caught_state_error(event["error"])
    # `runId` of this input is the name of the execution. Nothing is found if the execution has
    # handed its run over.
    if found := runs.find_open_run_of_execution(event["runId"]):
        run_id, account_id = found
        logger.append_keys(account_id=account_id, run_id=run_id)
        owner, name = event["executionArn"], event["runId"]
        runs.fail_run(account_id, run_id, owner, error, message, execution_name=name)
    logger.error("sync_failed", error=error)
