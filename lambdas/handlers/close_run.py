"""Lambda function `close-run`: closes the open run of a workflow execution that has ended without
closing the run."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.decisions.due import EXECUTION_DIED_ERROR_NAME, EXECUTION_STOPPED_ERROR_NAME
from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.runs.trigger import create_sync_starter
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    ended = event["detail"]
    found = RunStore(open_database()).find_open_run_of_execution(ended["name"])
    if found is None:
        return {"closed": False}
    run_id, account_id = found
    logger.append_keys(account_id=account_id, run_id=run_id)
    cause = (
        EXECUTION_STOPPED_ERROR_NAME if ended["status"] == "ABORTED" else EXECUTION_DIED_ERROR_NAME
    )
    create_sync_starter().fail_run_of_dead_execution(account_id, run_id, ended["name"], cause)
    return {"closed": True}
