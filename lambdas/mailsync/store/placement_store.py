"""Placements of the messages that an earlier version stored, which had one folder per message."""

from mailsync.model import RunRef
from mailsync.store.connection import Database
from mailsync.store.fence import FencedTransaction

FILL_BATCH = 10_000
"""Messages that get their placement in one transaction: about half a second."""


class PlacementStore:
    """Fills placements. Raises StoreUnavailable and StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fill_next(self, run: RunRef) -> bool:
        """Give the account's next messages their placements; return whether messages are left.

        Every batch is one transaction and remembers where it ended, so a repetition continues
        there. Messages that another worker changes meanwhile keep the placement that it wrote.

        Raises:
            LeaseLost: another execution holds the lease of the mailbox.
        """
        with FencedTransaction(self._database, run) as tx:
            filled = tx.run("fill_placements", account_id=run.account_id, limit=FILL_BATCH)
        return bool(filled) and filled[0][0] is not None
