"""State `sync-folder`: stores pages of change feeds until the feeds are up to date or little time
is left."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.sync.feed_pages import feed_ids_of_state, sync_feeds
from mailsync.sync.mailbox import open_mailbox
from mailsync.sync.waiting import remaining_time, run_or_request_wait


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    def synced() -> dict[str, Any]:
        with open_mailbox(event) as mailbox:
            feed_ids = feed_ids_of_state(event, mailbox.feeds)
            progress = sync_feeds(mailbox, feed_ids, remaining_time(context))
        left, wait_s = list(progress.feed_ids), progress.wait_seconds
        resets = same["resets"] if left[:1] == list(feed_ids[:1]) else 0  # of the first feed
        return {"feeds": left, "hasMore": bool(left), "waitSeconds": wait_s, "resets": resets}

    same = {"feeds": event.get("feeds"), "hasMore": True, "resets": event.get("resets", 0)}
    return run_or_request_wait(synced, same, at_hand_over={"hasMore": False})
