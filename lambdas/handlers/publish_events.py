"""Schedule `publish-events`, also invoked when a run ends: publishes the events of the outbox."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.events.outgoing import (
    MAX_EVENTS_DELETED_AT_ONCE,
    PUBLISHED_EVENT_RETENTION_DAYS,
    EventBus,
    publish_outbox,
)
from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.outbox_store import OutboxStore


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    outbox = OutboxStore(open_database())
    result = publish_outbox(outbox, EventBus(load_settings().event_bus_name))
    deleted = outbox.delete_published_events(
        days=PUBLISHED_EVENT_RETENTION_DAYS, limit=MAX_EVENTS_DELETED_AT_ONCE
    )
    counts = {"published": result.published_event_count, "refused": result.event_refusal_count}
    logger.info("events_published", **counts)  # type: ignore[arg-type]
    return {**counts, "forgotten": deleted}
