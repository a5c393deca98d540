"""State `folder-failed`: records the error of a failed change feed on the feed's folders and in the
run. Returns the feeds of the Map item that still have to be read, without the failed feed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.model import RunRef
from mailsync.runs.failure import parse_caught_state_error
from mailsync.store.connection import open_database
from mailsync.store.feed_store import FeedStore
from mailsync.store.run_folder_store import RunFolderStore
from mailsync.store.successor_store import SuccessorStore
from mailsync.sync.map_items import feed_ids_of_state_input


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    run, database = RunRef.from_workflow_state(event), open_database()
    failed, *others = feed_ids_of_state_input(event, FeedStore(database))
    logger.append_keys(account_id=run.account_id, run_id=run.run_id, feed_id=failed)
    error, message = parse_caught_state_error(event["error"])
    if not event.get("slice"):  # the workers of the folder's other slices go on
        RunFolderStore(database).fail_feed(run, failed, error, message)
    SuccessorStore(database).count_history_events_of_failed_state(run, event.get("retryCount"))
    logger.warning("folder_failed", error=error)
    return {"feeds": others, "hasMore": bool(others)}
