"""Messages that left their folders: hidden, and deleted once the provider has said so twice.

Every method is one transaction. Raises StoreUnavailable and StoreRejected.
"""

from collections.abc import Collection
from dataclasses import dataclass

from mailsync.model import AccountId, RemoteId, RunRef
from mailsync.store import rows
from mailsync.store.connection import Database, Transaction
from mailsync.store.fence import Fenced
from mailsync.sync.safety import CONFIRMED_AFTER, MOST_CONFIRMED_AFTER, is_most


@dataclass(frozen=True, slots=True)
class Removal:
    """How much of a mailbox is hidden because the provider says that it is gone.

    `unconfirmed` of it went after a person last said that the removal is meant. `wait_s` lies
    between the two answers that delete a message of it.
    """

    stored: int
    gone: int
    unconfirmed: int

    @property
    def is_suspicious(self) -> bool:
        """Most of the mailbox would go, and no person has said that this is meant."""
        return is_most(stored=self.stored, removing=self.unconfirmed)

    @property
    def sentence(self) -> str:
        return (
            f"{self.gone} of {self.stored} messages are gone at the provider. They are hidden, and"
            " deleted when it says so again a day after it first did, or when a person confirms"
            " the removal; those that come back are shown again."
        )

    @property
    def wait_s(self) -> float:
        after = MOST_CONFIRMED_AFTER if self.is_suspicious else CONFIRMED_AFTER
        return after.total_seconds()


class RemovalStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, run: RunRef) -> Removal:
        """Put off what is too much to believe; return how much is going."""
        with Fenced(self._database, run) as tx:
            removal = removal_of(tx, run.account_id)
            if removal.is_suspicious:
                tx.run("postpone_removal", account_id=run.account_id, wait_s=removal.wait_s)
        return removal

    def due(self, run: RunRef, after: str, limit: int) -> tuple[RemoteId, ...]:
        """Hidden messages about which the provider is to be asked now, in the order of id."""
        with self._database.transaction() as tx:
            found = tx.run("removed_ids", account_id=run.account_id, after=after, limit=limit)
        return tuple(RemoteId(message_id) for (message_id,) in found)

    def confirm_gone(self, run: RunRef, ids: Collection[RemoteId], wait_s: float) -> int:
        """Note that the provider says that they are gone; how many it said it of before, at least
        `wait_s` seconds ago, and which are deleted for it."""
        if not ids:
            return 0
        with Fenced(self._database, run) as tx:
            return tx.changed(
                "confirm_gone",
                account_id=run.account_id,
                ids=rows.to_json(sorted(ids)),
                wait_s=wait_s,
            )


def removal_of(tx: Transaction, account_id: AccountId) -> Removal:
    stored, gone, unconfirmed = tx.run("removal_size", account_id=account_id)[0]
    return Removal(int(stored), int(gone), int(unconfirmed))
