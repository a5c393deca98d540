"""Store the queue of due mailboxes. A worker claims mailboxes for a check, and releases the claim
on a mailbox that it cannot check."""

from collections.abc import Sequence
from uuid import uuid4

from mailsync.decisions.due import (
    CHECK_WORKER_SLOT_LIFETIME_S,
    MAX_WAITING_MAILBOXES_COUNTED,
    MAX_WORKERS_FOR_NOTIFIED_MAILBOXES,
    MIN_AVERAGE_TIME_BETWEEN_NOTIFIED_CHECKS_S,
    NOTIFIED_MAILBOX_CLAIM_LIFETIME_S,
    SCHEDULED_CHECK_DELAY_IF_NOTIFIED_S,
    needs_another_check_worker,
)
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

        A claim postpones the mailbox's next sync by `wait_s` seconds, so no other worker claims the
        mailbox. If the worker dies, the mailbox becomes due again after that time.

        While a function is checking notified mailboxes, this method leaves out mailboxes that were
        notified less than `SCHEDULED_CHECK_DELAY_IF_NOTIFIED_S` seconds ago.
        """
        with self._database.transaction() as tx:
            found = tx.run(
                "claim_due_accounts",
                limit=limit,
                next_in_s=wait_s,
                notified_wait_s=SCHEDULED_CHECK_DELAY_IF_NOTIFIED_S,
            )
        return tuple(AccountId(each) for (each,) in found)

    def release_claims(self, account_ids: Sequence[AccountId]) -> None:
        """Release claims on mailboxes that were not checked, so that these mailboxes are due again
        immediately."""
        if account_ids:
            with self._database.transaction() as tx:
                tx.run("release_claims", ids=to_jsonb(list(account_ids)))


class NotifiedMailboxQueueStore:
    """Claims mailboxes that are due after a notification. Raises StoreUnavailable and
    StoreRejected.

    At most `MAX_WORKERS_FOR_NOTIFIED_MAILBOXES` Lambda functions check such mailboxes at the same
    time. Each of these functions holds a slot (a permit to check them) under a unique name. Every
    method is one transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_slot_for_new_worker(self) -> str | None:
        """Take a slot for a function that the caller then invokes; return the name under which the
        function holds the slot.

        Returns None if no function is needed: no notified mailbox can be checked now, or the
        functions that hold slots can check all notified mailboxes. Also returns None if every slot
        is taken. The slot becomes free `CHECK_WORKER_SLOT_LIFETIME_S` seconds after its last use.
        """
        holder = str(uuid4())
        with self._database.transaction() as tx:
            waits = [
                waited_s
                for _, waited_s in tx.run(
                    "find_notified_accounts", limit=MAX_WAITING_MAILBOXES_COUNTED
                )
            ]
            [[working]] = tx.run("count_check_slots")
            if not needs_another_check_worker(waits, working):
                return None
            taken = tx.run(
                "take_check_slot",
                holder=holder,
                slots=MAX_WORKERS_FOR_NOTIFIED_MAILBOXES,
                held_s=float(CHECK_WORKER_SLOT_LIFETIME_S),
            )
        return holder if taken else None

    def claim_notified_mailboxes(self, holder: str, limit: int) -> tuple[AccountId, ...]:
        """Claim up to `limit` mailboxes that have waited the longest since their notification;
        return their account ids. Also extend the function's hold on its slot.

        Returns an empty tuple if the function no longer holds a slot, or if no mailbox waits. A
        claim ends after `NOTIFIED_MAILBOX_CLAIM_LIFETIME_S` seconds; the mailbox is then due again.

        holder: name under which the function holds the slot.
        """
        with self._database.transaction() as tx:
            if not tx.run(
                "keep_check_slot", holder=holder, held_s=float(CHECK_WORKER_SLOT_LIFETIME_S)
            ):
                return ()
            found = tx.run("find_notified_accounts", limit=limit) if limit else []
            if not found:
                return ()
            claimed = tx.run(
                "claim_notified_accounts",
                ids=to_jsonb([account_id for account_id, _ in found]),
                next_in_s=float(NOTIFIED_MAILBOX_CLAIM_LIFETIME_S),
                pause_s=float(MIN_AVERAGE_TIME_BETWEEN_NOTIFIED_CHECKS_S),
            )
        return tuple(AccountId(account_id) for (account_id,) in claimed)

    def release_worker_slot(self, holder: str) -> None:
        """Make the slot free for another function."""
        with self._database.transaction() as tx:
            tx.run("release_check_slot", holder=holder)
