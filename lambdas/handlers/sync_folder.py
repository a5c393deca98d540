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
        run, retry_count = RunRef.from_workflow_state(event), event.get("retryCount")
        with open_mailbox(run, at_once=event.get("atOnce"), retry_count=retry_count) as mailbox:
            feed_ids = feed_ids_of_state(event, mailbox.feeds)
            progress = sync_feeds(mailbox, feed_ids, remaining_s)
        left = list(progress.feed_ids)
        # The resets are those of the first feed.
        resets = event.get("resets", 0) if left[:1] == list(feed_ids[:1]) else 0
        wait_s = progress.wait_seconds
        return {"feeds": left, "hasMore": bool(left), "waitSeconds": wait_s, "resets": resets}

    return run_or_request_wait(
        synced,
        {"feeds": event.get("feeds"), "hasMore": True, "resets": event.get("resets", 0)},
        at_hand_over={"hasMore": False},
    )
