"""State `sync-folders`: stores the folder tree and small changes, returns feeds with more pages."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.model import RunRef
from mailsync.sync.feed_pages import split_feeds_into_map_items
from mailsync.sync.folder_tree import sync_folders
from mailsync.sync.mailbox import open_mailbox
from mailsync.sync.waiting import run_or_request_wait


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    nothing = {**split_feeds_into_map_items((), 1), "atOnce": 1, "cursorsUsed": 0, "fullSyncs": 0}
    run, can_wait = RunRef.from_workflow_state(event), event.get("canWait", False)
    return run_or_request_wait(lambda: _synced(run), nothing, can_wait=can_wait)


def _synced(run: RunRef) -> dict[str, Any]:
    with open_mailbox(run) as mailbox:
        per_item = mailbox.provider.limits.feeds_per_connection
        work = split_feeds_into_map_items(sync_folders(mailbox), per_item)
        at_once = {"atOnce": mailbox.provider.max_requests_in_flight}
        return {**work, **at_once, **mailbox.readings.report()}
