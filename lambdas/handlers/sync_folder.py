"""State `sync-folder`: stores pages of some change feeds until the feeds are up to date, or until
the function has little time left."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.sync.feed_pages import sync_map_item
from mailsync.sync.mailbox import open_mailbox
from mailsync.sync.map_items import feed_ids_of_state
from mailsync.sync.waiting import remaining_time, run_or_request_wait


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    def synced() -> dict[str, Any]:
        with open_mailbox(event) as mailbox:
            feed_ids = feed_ids_of_state(event, mailbox.feeds)
            progress = sync_map_item(mailbox, feed_ids, event.get("slice"), remaining_time(context))
            read, left = mailbox.feed_readings.log_feed_counts(), list(progress.feed_ids)
        resets = same["resets"] if left[:1] == list(feed_ids[:1]) else 0  # of the first feed
        wait = {"waitSeconds": progress.wait_seconds}
        return {"feeds": left, "hasMore": bool(left), "resets": resets, **wait, **read}

    same = {"feeds": event.get("feeds"), "hasMore": True, "resets": event.get("resets", 0)}
    nothing = {**same, "cursorsUsed": 0, "fullSyncs": 0}
    return run_or_request_wait(synced, nothing, at_hand_over={"hasMore": False})
