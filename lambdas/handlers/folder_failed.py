"""State `folder-failed`: records the error of the folder; the sync continues with the others."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.model import FolderId, RunRef
from mailsync.runs.failure import parse_state_failure
from mailsync.store.connection import open_database
from mailsync.store.run_folder_store import RunFolderStore


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    run, folder_id = RunRef.from_state(event), FolderId(event["folderId"])
    logger.append_keys(account_id=run.account_id, run_id=run.run_id, folder_id=folder_id)
    error, message = parse_state_failure(event["error"])
    RunFolderStore(open_database()).fail_folder(run, folder_id, error, message)
    logger.warning("folder_failed", error=error)
