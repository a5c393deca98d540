"""Placements of the messages that an earlier version stored, which had one folder per message."""

from collections.abc import Iterator

from mailsync.model import AccountId
from mailsync.store.connection import Database

FILL_BATCH = 10_000
"""Messages that get their placement in one transaction: about half a second."""


class PlacementStore:
    """Fills placements. Raises StoreUnavailable and StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fill_next(self, account_id: AccountId) -> bool:
        """Give the account's next messages their placements; return whether messages are left.

        Every batch is one transaction and remembers where it ended, so a repetition continues
        there. It needs no lease: messages that a worker changes meanwhile keep the placements that
        the worker wrote.
        """
        with self._database.transaction() as tx:
            filled = tx.run("fill_placements", account_id=account_id, limit=FILL_BATCH)
        return bool(filled) and filled[0][0] is not None

    def fill_all(self) -> Iterator[AccountId]:
        """Fill every account, and yield it; also those that no sync will fill."""
        with self._database.transaction() as tx:
            found = tx.run("unfilled_accounts")
        for (account_id,) in found:
            while self.fill_next(account_id):
                pass
            yield account_id
