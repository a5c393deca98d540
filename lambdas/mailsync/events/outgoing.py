"""Publish the events of the outbox on the event bus. Each event is published at least once, and the
events of one account are published in their order.

Source: Amazon EventBridge API Reference, PutEvents (at most 10 entries; the bus accepts or rejects
    each entry separately).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mailsync.log import logger
from mailsync.store.outbox_store import OutboxEvent, OutboxStore

EVENT_SOURCE = "mailsync"
MAX_ENTRIES_PER_PUT_EVENTS_CALL = 10
MAX_PUT_EVENTS_CALLS_PER_INVOCATION = 100
"""The maximum number of PutEvents calls in one Lambda invocation. The next invocation publishes the
events that remain."""
PUBLISHED_EVENT_RETENTION_DAYS = 30
MAX_EVENTS_DELETED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class OutboxPublicationCounts:
    """How many events the event bus accepted and rejected in one invocation.

    published_event_count: events that the bus accepted.
    event_refusal_count: number of rejections. A rejected event stays in the outbox, and this or a
        later invocation sends the event again. An event may be rejected several times.
    """

    published_event_count: int = 0
    event_refusal_count: int = 0


class EventBus:
    """A client that sends events to the EventBridge bus with a given name or ARN."""

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        # The outbox's rows are locked during the call, so all attempts must end within 30 s.
        limits = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})
        return boto3.client("events", config=limits)

    def put_events(self, events: Sequence[OutboxEvent]) -> list[int]:
        """Send events to the bus; return the ids of the events that the bus accepted. Raise
        botocore's errors if the call fails."""
        entries = [
            {
                "EventBusName": self._name,
                "Source": EVENT_SOURCE,
                "DetailType": each.type,
                "Detail": json.dumps(each.detail),
                "Time": each.created_at,
            }
            for each in events
        ]
        results = self._client.put_events(Entries=entries)["Entries"]
        accepted = []
        for event, result in zip(events, results, strict=True):
            if "EventId" in result:
                accepted.append(event.id)
            else:
                logger.warning("event_put_refused", id=event.id, cause=result.get("ErrorCode"))
        return accepted


def publish_outbox(outbox: OutboxStore, bus: EventBus) -> OutboxPublicationCounts:
    """Publish the events of the outbox in batches. A batch has at most one event of each account,
    so the events of an account stay in order.

    The function passes over the outbox again and again. It ends after a pass in which the bus
    accepted no event, so that rejected events are not sent for ever. It also ends after
    `MAX_PUT_EVENTS_CALLS_PER_INVOCATION` batches.
    """
    published = refused = progress = last = 0
    for _ in range(MAX_PUT_EVENTS_CALLS_PER_INVOCATION):
        handed = outbox.publish_events(
            bus.put_events, after=last, limit=MAX_ENTRIES_PER_PUT_EVENTS_CALL
        )
        published, refused = published + handed.published_count, refused + handed.refused_count
        progress += handed.published_count
        if handed.last_tried_event_id is not None:
            last = handed.last_tried_event_id
        elif progress:
            progress = last = 0
        else:
            break
    return OutboxPublicationCounts(published, refused)
