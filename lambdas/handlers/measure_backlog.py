"""Schedule `measure-backlog`: publishes all gauge metrics, such as the number of due mailboxes and
the age of the oldest event in the outbox."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler, set_all_gauge_metrics
from mailsync.store.backlog_store import BacklogStore
from mailsync.store.connection import open_database


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, float]:
    backlog = asdict(BacklogStore(open_database()).measure_backlog())
    set_all_gauge_metrics(**backlog)
    logger.info("backlog", **backlog)
    return backlog
