"""State `sync-folder`: stores pages of change feeds until the feeds are up to date or little time
is left."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.model import RunRef
from mailsync.sync.feed_pages import feed_ids_of_state, sync_feeds
from mailsync.sync.mailbox import open_mailbox
from mailsync.sync.waiting import run_or_request_wait


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    def remaining_s() -> float:
        return context.get_remaining_time_in_millis() / 1000

    def synced() -> dict[str, Any]:
        run = RunRef.from_workflow_state(event)
        with open_mailbox(run, at_once=event.get("atOnce")) as mailbox:
            progress = sync_feeds(mailbox, feed_ids_of_state(event, mailbox.feeds), remaining_s)
            read, left = mailbox.readings.report(), list(progress.feed_ids)
        return {"feeds": left, "hasMore": bool(left), "waitSeconds": progress.wait_seconds, **read}

    nothing = {"feeds": event.get("feeds"), "hasMore": True, "cursorsUsed": 0, "fullSyncs": 0}
    return run_or_request_wait(synced, nothing)
