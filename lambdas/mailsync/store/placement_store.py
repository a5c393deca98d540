"""Create the placements of messages that an earlier version stored. In that version each message
had one folder and no placement."""

from collections.abc import Iterator

from mailsync.model import AccountId
from mailsync.store.connection import Database

MESSAGES_PER_PLACEMENT_BATCH = 10_000
"""The number of messages that get their placement in one transaction: about half a second of work.
"""


class PlacementBackfillStore:
    """Creates placements for messages that an earlier version stored. Raises StoreUnavailable and
    StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create_placements_of_next_batch(self, account_id: AccountId) -> bool:
        """Create the placements of the account's next batch of messages; return whether messages
        without placements remain.

        Each batch is one transaction that stores where it ended, so the next call continues there.
        No lease is needed: placements that a worker has written meanwhile stay unchanged.
        """
        with self._database.transaction() as tx:
            filled = tx.run(
                "fill_placements", account_id=account_id, limit=MESSAGES_PER_PLACEMENT_BATCH
            )
        return bool(filled) and filled[0][0] is not None

    def create_placements_account_by_account(self) -> Iterator[AccountId]:
        """Create all missing placements, account by account. Include accounts that no sync reads
        any more, such as disconnected ones. Yield the id of each account when its placements are
        complete."""
        with self._database.transaction() as tx:
            found = tx.run("unfilled_accounts")
        for (account_id,) in found:
            while self.create_placements_of_next_batch(account_id):
                pass
            yield account_id
