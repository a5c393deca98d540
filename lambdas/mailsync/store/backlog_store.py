"""How far behind the whole stage is, over all accounts; for graphs and alarms only."""

from dataclasses import dataclass

from mailsync.store.connection import Database


@dataclass(frozen=True, slots=True)
class Backlog:
    """`overdue_s`: of the mailbox that is due longest, or of the run that waits longest for its
    execution; `unpublished_s`: the age of the oldest event that waits. Both 0 when none does."""

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

    def now(self) -> Backlog:
        with self._database.transaction() as tx:
            due, overdue_s, unpublished_s, *counts = tx.run("backlog")[0]
        return Backlog(due, float(overdue_s), float(unpublished_s), *counts)
