"""State `reset-folder`: deletes an expired cursor and starts a full sync of the folder."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.model import FolderId, RunRef
from mailsync.store.connection import open_database
from mailsync.store.folder_store import FolderStore


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    run = RunRef.from_state(event)
    logger.append_keys(account_id=run.account_id, run_id=run.run_id)
    FolderStore(open_database()).restart_full_sync(run, FolderId(event["folderId"]))
    logger.info("full_sync_restarted", folder_id=event["folderId"])
    return {"resets": event["resets"] + 1}
