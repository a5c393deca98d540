"""Events that wait to be published; written by the transactions that make them true."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsync.store.connection import Database


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """`detail` is JSON with the event's own `eventId`; `created_at` is when it became true."""

    id: int
    type: str
    detail: dict[str, Any]
    created_at: datetime


Put = Callable[[Sequence[OutboxEvent]], Collection[int]]
"""Hands events on and returns the ids of those that were taken."""


@dataclass(frozen=True, slots=True)
class Handed:
    """`last` is the highest id that was tried, None when nothing waits."""

    last: int | None
    published: int = 0
    refused: int = 0


class OutboxStore:
    """Raises StoreUnavailable and StoreRejected; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(self, put: Put, *, after: int, limit: int) -> Handed:
        """Gives up to `limit` events above the id `after` to `put`, at most one per account.

        They are locked meanwhile, and others pass them by. A crash between `put` and the commit
        leaves them waiting: an event may be handed on twice, and is never lost.
        """
        with self._database.transaction() as tx:
            found = [OutboxEvent(*row) for row in tx.run("claim_outbox", after=after, limit=limit)]
            if not found:
                return Handed(None)
            taken = list(put(found))
            tx.run("mark_published", ids=taken)
        return Handed(found[-1].id, len(taken), len(found) - len(taken))

    def forget(self, *, days: int, limit: int) -> int:
        """Deletes up to `limit` events that were published more than `days` ago."""
        with self._database.transaction() as tx:
            return tx.changed("forget_published", days=days, limit=limit)
