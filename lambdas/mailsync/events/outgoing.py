"""From the outbox to the event bus: at least once, and in order for each account.

Source: Amazon EventBridge API Reference, PutEvents (at most 10 entries, each refused or taken
on its own).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mailsync.log import logger
from mailsync.store.outbox_store import OutboxEvent, OutboxStore

SOURCE = "mailsync"
MAX_PER_CALL = 10
MAX_CALLS = 100
"""Of one invocation; what is left waits for the next."""
KEPT_DAYS = 30
MAX_FORGOTTEN = 1000


@dataclass(frozen=True, slots=True)
class Published:
    """`refused` counts attempts: an event that the bus refuses waits and is tried again."""

    published: int = 0
    refused: int = 0


class EventBus:
    """The bus of that name or ARN, by EventBridge's API."""

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        # The outbox's rows are locked meanwhile: all attempts together stay under half a minute.
        limits = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})
        return boto3.client("events", config=limits)

    def put(self, events: Sequence[OutboxEvent]) -> list[int]:
        """The ids of the events that the bus took."""
        entries = [
            {
                "EventBusName": self._name,
                "Source": SOURCE,
                "DetailType": each.type,
                "Detail": json.dumps(each.detail),
                "Time": each.created_at,
            }
            for each in events
        ]
        answers = self._client.put_events(Entries=entries)["Entries"]
        taken = []
        for event, answer in zip(events, answers, strict=True):
            if "EventId" in answer:
                taken.append(event.id)
            else:
                logger.warning("event_put_refused", id=event.id, cause=answer.get("ErrorCode"))
        return taken


def publish_waiting(outbox: OutboxStore, bus: EventBus) -> Published:
    """Publishes what waits, in rounds: each takes the next event of every account.

    Ends when a round has published nothing, so that what the bus refuses is not asked for ever.
    """
    published = refused = progress = last = 0
    for _ in range(MAX_CALLS):
        handed = outbox.publish(bus.put, after=last, limit=MAX_PER_CALL)
        published, refused = published + handed.published, refused + handed.refused
        progress += handed.published
        if handed.last is not None:
            last = handed.last
        elif progress:
            progress = last = 0
        else:
            break
    return Published(published, refused)
