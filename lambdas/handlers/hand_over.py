"""State `hand-over`: hands the run and its lease over to a new execution of the workflow, and
starts the new execution, before AWS ends this execution."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.model import RunRef
from mailsync.runs.step_functions import machine_arn_of_execution
from mailsync.runs.trigger import create_sync_starter
from mailsync.store.connection import open_database
from mailsync.store.successor_store import SuccessorStore


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str | None]:
    run, arn = RunRef.from_workflow_state(event), event["executionArn"]
    logger.append_keys(account_id=run.account_id, run_id=run.run_id)
    store = SuccessorStore(open_database())
    successor = store.hand_over_run(run, event["executionName"], arn)
    if successor:
        starter = create_sync_starter(machine_arn_of_execution(arn))
        starter.start_successor_execution(run.account_id, run.run_id, successor)
    logger.info("run_handed_over", successor=successor)
    return {"successor": successor}
