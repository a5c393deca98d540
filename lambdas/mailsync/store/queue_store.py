"""The queue of mailboxes that are due: a worker claims some, and gives back what it cannot do."""

from collections.abc import Sequence

from mailsync.model import AccountId
from mailsync.store.connection import Database
from mailsync.store.rows import to_json


class QueueStore:
    """Raises StoreUnavailable and StoreRejected; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim_due(self, limit: int, wait_s: float) -> tuple[AccountId, ...]:
        """Those that have been due for longest; each is put off by `wait_s`, so nobody else claims
        it too, and one that is forgotten comes back by itself."""
        with self._database.transaction() as tx:
            found = tx.run("claim_due_accounts", limit=limit, next_in_s=wait_s)
        return tuple(AccountId(each) for (each,) in found)

    def release_claims(self, account_ids: Sequence[AccountId]) -> None:
        """Make accounts due again that were claimed and not checked."""
        if account_ids:
            with self._database.transaction() as tx:
                tx.run("release_claims", ids=to_json(list(account_ids)))
