"""The queue of due mailboxes: a worker claims some, and releases those that it cannot check."""

from collections.abc import Sequence

from mailsync.model import AccountId
from mailsync.store.connection import Database
from mailsync.store.rows import to_json


class QueueStore:
    """Raises StoreUnavailable and StoreRejected; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim_due(self, limit: int, wait_s: float) -> tuple[AccountId, ...]:
        """Claim the accounts that have been due the longest.

        A claim moves the account's next sync by `wait_s`, so no other worker claims it, and an
        account whose worker dies is due again by itself.
        """
        with self._database.transaction() as tx:
            found = tx.run("claim_due_accounts", limit=limit, next_in_s=wait_s)
        return tuple(AccountId(each) for (each,) in found)

    def release_claims(self, account_ids: Sequence[AccountId]) -> None:
        """Make claimed accounts that were not checked due again at once."""
        if account_ids:
            with self._database.transaction() as tx:
                tx.run("release_claims", ids=to_json(list(account_ids)))
