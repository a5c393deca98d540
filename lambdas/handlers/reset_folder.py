"""State `reset-folder`: deletes the expired cursor of a change feed and starts a full sync of the
feed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.decisions.successor import require_cursor_expiries_within_limit
from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.model import RunRef
from mailsync.store.connection import open_database
from mailsync.store.feed_store import FeedStore
from mailsync.store.successor_store import SuccessorStore
from mailsync.sync.map_items import feed_ids_of_state_input


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    run, database = RunRef.from_workflow_state(event), open_database()
    feeds = FeedStore(database)
    logger.append_keys(account_id=run.account_id, run_id=run.run_id)
    feed_ids = feed_ids_of_state_input(event, feeds)
    require_cursor_expiries_within_limit(feeds.restart_full_sync(run, feed_ids[0]))
    SuccessorStore(database).count_history_events_of_state_visit(run, event.get("retryCount"))
    logger.info("full_sync_restarted", feed_id=feed_ids[0])
    return {"resets": event["resets"] + 1, "feeds": list(feed_ids), "hasMore": True}
