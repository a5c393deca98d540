"""Read and mark the events of the outbox, which wait for publication. The transaction that makes a
change writes the event about this change into the outbox."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsync.store.connection import Database


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event of the outbox that is to be published.

    detail: JSON object with `eventId` and the fields of the event type.
    created_at: when the reported change was made.
    """

    id: int
    type: str
    detail: dict[str, Any]
    created_at: datetime


PutEventsFunction = Callable[[Sequence[OutboxEvent]], Collection[int]]
"""The type of functions that publish events, and return the ids of the events that the bus
accepted."""


@dataclass(frozen=True, slots=True)
class PublishedBatchResult:
    """The result of publishing one batch of events from the outbox.

    last_tried_event_id: the highest event id in the batch. None: the outbox had no event to
        publish.
    published_count: events that the event bus accepted.
    refused_count: events that the event bus rejected; they stay in the outbox.
    """

    last_tried_event_id: int | None
    published_count: int = 0
    refused_count: int = 0


class OutboxStore:
    """Reads events that wait for publication. Raises StoreUnavailable and StoreRejected.

    Every method is one transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish_events(
        self, put: PutEventsFunction, *, after: int, limit: int
    ) -> PublishedBatchResult:
        """Publish up to `limit` events with ids above `after`, at most one per account.

        The events stay locked until the transaction ends, and other publishers skip them. After a
        crash between `put` and the commit they remain in the outbox, so an event may be published
        twice but is never lost.

        put: sends events to the bus and returns the ids of the events that the bus accepted.
        """
        with self._database.transaction() as tx:
            found = [OutboxEvent(*row) for row in tx.run("claim_outbox", after=after, limit=limit)]
            if not found:
                return PublishedBatchResult(None)
            taken = list(put(found))
            tx.run("mark_published", ids=taken)
        return PublishedBatchResult(found[-1].id, len(taken), len(found) - len(taken))

    def delete_published_events(self, *, days: int, limit: int) -> int:
        """Delete up to `limit` events that were published more than `days` days ago; return how
        many were deleted."""
        with self._database.transaction() as tx:
            return tx.run_returning_row_count("forget_published", days=days, limit=limit)
