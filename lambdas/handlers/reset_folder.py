"""State `reset-folder`: deletes an expired cursor and starts a full sync of its feed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.model import RunRef
from mailsync.store.connection import open_database
from mailsync.store.feed_store import FeedStore
from mailsync.sync.feed_pages import feed_ids_of_state


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    run, feeds = RunRef.from_workflow_state(event), FeedStore(open_database())
    logger.append_keys(account_id=run.account_id, run_id=run.run_id)
    expired, *_ = feed_ids_of_state(event, feeds)
    feeds.restart_full_sync(run, expired)
    logger.info("full_sync_restarted", feed_id=expired)
    return {"resets": event["resets"] + 1}
