"""State `sync-folder`: reads pages of one folder until the round or the time budget ends."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.model import FolderId, RunRef
from mailsync.sync.folder_pages import sync_folder
from mailsync.sync.mailbox import open_mailbox
from mailsync.sync.waiting import wait_if_throttled


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    def remaining_s() -> float:
        return context.get_remaining_time_in_millis() / 1000

    def synced() -> dict[str, Any]:
        with open_mailbox(RunRef.from_state(event), at_once=event.get("atOnce")) as mailbox:
            progress = sync_folder(mailbox, FolderId(event["folderId"]), remaining_s)
        return {"hasMore": progress.has_more, "waitSeconds": progress.wait_seconds}

    return wait_if_throttled(synced, {"hasMore": True})
