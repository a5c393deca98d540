"""Store the queue of due mailboxes. A worker claims mailboxes for a check, and releases those that
it cannot check."""

from collections.abc import Sequence

from mailsync.model import AccountId
from mailsync.store.connection import Database
from mailsync.store.rows import to_jsonb


class DueMailboxQueueStore:
    """Claims due mailboxes for checks. Raises StoreUnavailable and StoreRejected.

    Every method is one transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim_due_mailboxes(self, limit: int, wait_s: float) -> tuple[AccountId, ...]:
        """Claim up to `limit` mailboxes that have been due the longest; return their account ids.

        A claim postpones the mailbox's next sync by `wait_s` seconds, so no other worker claims it.
        If the worker dies, the mailbox becomes due again after that time.
        """
        with self._database.transaction() as tx:
            found = tx.run("claim_due_accounts", limit=limit, next_in_s=wait_s)
        return tuple(AccountId(each) for (each,) in found)

    def release_claims(self, account_ids: Sequence[AccountId]) -> None:
        """Release claims on mailboxes that were not checked, so that these mailboxes are due again
        immediately."""
        if account_ids:
            with self._database.transaction() as tx:
                tx.run("release_claims", ids=to_jsonb(list(account_ids)))
