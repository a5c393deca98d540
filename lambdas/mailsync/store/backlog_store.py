"""Measure the backlog of the whole stage, for graphs and alarms."""

from dataclasses import dataclass

from mailsync.store.connection import Database


@dataclass(frozen=True, slots=True)
class Backlog:
    """The amount of work that waits, over all accounts of the stage.

    due: number of mailboxes that are due for a sync and whose lease no worker holds.
    overdue_s: seconds that the longest overdue mailbox, or the longest queued run, has waited; 0 if
        no mailbox is due and no run is queued.
    unpublished_s: age in seconds of the oldest event in the outbox; 0 if the outbox is empty.
    quarantined: number of messages in quarantine.
    contradicted: number of messages for which a provider's response by id contradicts the
        provider's list of the folder; at most 100 are counted per folder.
    to_reconnect: number of accounts that need a new sign-in.
    """

    due: int
    overdue_s: float
    unpublished_s: float
    quarantined: int
    contradicted: int
    to_reconnect: int


class BacklogStore:
    """Counts the work that waits in the stage: due mailboxes, unpublished events, quarantined
    messages, and accounts that need a sign-in. Raises StoreUnavailable and StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def measure_backlog(self) -> Backlog:
        """Read and return the current backlog of the stage."""
        with self._database.transaction() as tx:
            due, overdue_s, unpublished_s, *counts = tx.run("backlog")[0]
        return Backlog(due, float(overdue_s), float(unpublished_s), *counts)
