"""The backlog of the whole stage, for graphs and alarms."""

from dataclasses import dataclass

from mailsync.store.connection import Database


@dataclass(frozen=True, slots=True)
class Backlog:
    """Levels over all accounts.

    overdue_s: of the longest overdue mailbox, or of the run that has waited longest for its
        execution; 0 without either.
    unpublished_s: the age of the oldest event in the outbox; 0 without one.
    """

    due: int
    overdue_s: float
    unpublished_s: float
    quarantined: int
    contradicted: int
    to_reconnect: int


class BacklogStore:
    """Raises StoreUnavailable and StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def measure(self) -> Backlog:
        """Return the current levels."""
        with self._database.transaction() as tx:
            due, overdue_s, unpublished_s, *counts = tx.run("backlog")[0]
        return Backlog(due, float(overdue_s), float(unpublished_s), *counts)
