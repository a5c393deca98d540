"""State `sync-folder`: stores pages of feeds until the feeds are up to date or time is short."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.sync.feed_pages import sync_map_item
from mailsync.sync.mailbox import open_mailbox
from mailsync.sync.map_items import feed_ids_of_state_input
from mailsync.sync.waiting import make_remaining_seconds_function, run_state_or_return_pause


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    def synced() -> dict[str, Any]:
        remaining_s = make_remaining_seconds_function(context)
        with open_mailbox(event) as mailbox:
            feed_ids = feed_ids_of_state_input(event, mailbox.feed_store)
            progress = sync_map_item(mailbox, feed_ids, event.get("slice"), remaining_s)
            read, left = mailbox.feed_reading_log.log_and_count(), [*progress.remaining_feed_ids]
        resets = same["resets"] if left[:1] == list(feed_ids[:1]) else 0  # of the first feed
        wait = {"waitSeconds": progress.pause_before_next_page_s}
        return {"feeds": left, "hasMore": bool(left), "resets": resets, **wait, **read}

    same = {"feeds": event.get("feeds"), "hasMore": True, "resets": event.get("resets", 0)}
    nothing = {**same, "cursorsUsed": 0, "fullSyncs": 0}
    return run_state_or_return_pause(synced, nothing, at_hand_over={"hasMore": False})
