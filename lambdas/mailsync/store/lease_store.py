"""The lease of a mailbox: one worker at a time, each under an epoch that fences its writes.

See Kleppmann, "How to do distributed locking" (2016), on leases and fencing tokens.
"""

from mailsync.errors import LeaseLost
from mailsync.metrics import count_failure
from mailsync.model import AccountId, RunId, RunRef, SyncType
from mailsync.store.connection import Database
from mailsync.store.run_outcome import announce, finish

LEASE_S = 15 * 60
"""Longer than any function and any pause between two of them."""

CHECKER = "sync-accounts"
"""The owner of the lease while a mailbox is checked without an execution."""


class LeaseStore:
    """Raises StoreUnavailable and StoreRejected; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self,
        account_id: AccountId,
        run_id: RunId,
        execution_arn: str,
        sync_type: SyncType,
        trigger: str,
    ) -> int | None:
        """The epoch of the lease, or None when another execution holds it.

        The same execution may begin again after a retry and gets the same epoch; None too when
        its run was stopped meanwhile. A check that is under way loses the mailbox to it.
        """
        with self._database.transaction() as tx:
            tx.run("lock_account", account_id=account_id)
            if tx.run("ended_run", run_id=run_id):
                return None
            lease = tx.run(
                "take_lease",
                account_id=account_id,
                run_id=run_id,
                owner=execution_arn,
                checker=CHECKER,
                seconds=LEASE_S,
            )
            if not lease:
                finish(tx, run_id, "cancelled", "AlreadySyncing", "Another run was at work.")
                return None
            overtaken = tx.run("close_stale_run", account_id=account_id, run_id=run_id)
            for stale, error in overtaken:
                announce(tx, account_id, "sync.failed", stale, error=error)
            tx.run(
                "open_run",
                run_id=run_id,
                account_id=account_id,
                execution_arn=execution_arn,
                sync_type=sync_type,
                trigger=trigger,
            )
        for _, error in overtaken:
            count_failure(error)
        return int(lease[0][0])

    def renew(self, run: RunRef, *, requests: int = 0) -> None:
        """Raises LeaseLost when another execution took the mailbox."""
        with self._database.transaction() as tx:
            if not tx.run(
                "renew_lease", account_id=run.account_id, epoch=run.lease_epoch, seconds=LEASE_S
            ):
                raise LeaseLost(f"Run {run.run_id}: another execution owns the mailbox now.")
            tx.run("run_heartbeat", run_id=run.run_id, requests=requests)

    def save_throttle(self, run: RunRef, wait_s: float) -> None:
        """No request is sent for so many seconds, whoever works on the mailbox; the lease lasts
        for longer."""
        with self._database.transaction() as tx:
            tx.run(
                "save_throttle",
                account_id=run.account_id,
                epoch=run.lease_epoch,
                wait_s=wait_s,
                lease_s=float(LEASE_S),
            )

    def save_in_flight(self, account_id: AccountId, in_flight: int) -> None:
        """So many requests at a time, and no more, were found to be taken."""
        with self._database.transaction() as tx:
            tx.run("save_in_flight", account_id=account_id, in_flight=in_flight)
