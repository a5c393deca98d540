"""State `sync-folders`: stores the provider's folder tree, the next page of each known feed, and
small new folders. Returns the feeds that are not up to date, as items of the workflow's Map."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.sync.folder_tree import sync_folders
from mailsync.sync.mailbox import open_mailbox
from mailsync.sync.map_items import split_feeds_into_map_items, split_sync_into_map_items
from mailsync.sync.waiting import make_remaining_seconds_function, run_state_or_return_pause


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    def synced() -> dict[str, Any]:
        with open_mailbox(event) as mailbox:
            left = sync_folders(mailbox, make_remaining_seconds_function(context)).remaining_feeds
            work = split_sync_into_map_items(mailbox, left, can_slice=event.get("canSlice", False))
            return {**work, **mailbox.feed_reading_log.log_and_count()}

    nothing = {**split_feeds_into_map_items((), 1), "atOnce": 1, "cursorsUsed": 0, "fullSyncs": 0}
    work = run_state_or_return_pause(synced, nothing, can_wait=event.get("canWait", False))
    # A workflow definition that sends `retryCount` reads `items` instead of `folderIds`.
    if "retryCount" in event:
        del work["folderIds"]
    return work
