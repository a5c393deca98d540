"""Leases of mailboxes: one worker at a time, with an epoch number that fences its writes.

See Kleppmann, "How to do distributed locking" (2016), on leases and fencing tokens.
"""

from mailsync.errors import LeaseLost
from mailsync.metrics import count_failed_run
from mailsync.model import AccountId, RunId, RunRef, SyncType
from mailsync.store.connection import Database
from mailsync.store.run_outcome import add_outbox_event, record_run_outcome

LEASE_LIFETIME_S = 15 * 60
"""Longer than any function runs, and than any pause between two functions."""

CHECK_FUNCTION_NAME = "sync-accounts"
"""The owner of the lease during a check, which has no execution."""


class LeaseStore:
    """Takes and extends leases. Raises StoreUnavailable and StoreRejected.

    Every method is one transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_lease(
        self,
        account_id: AccountId,
        run_id: RunId,
        execution_arn: str,
        sync_type: SyncType,
        trigger: str,
    ) -> int | None:
        """Take the lease of the mailbox for an execution, mark its run as begun, and return the
        epoch.

        Returns None if another execution holds the lease, or if the run was stopped before it
        started. A retry by the same execution gets the same epoch. A check that has no run loses
        the lease to the execution.
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
                checker=CHECK_FUNCTION_NAME,
                seconds=LEASE_LIFETIME_S,
            )
            if not lease:
                record_run_outcome(
                    tx, run_id, "cancelled", "AlreadySyncing", "Another run was at work."
                )
                return None
            overtaken = tx.run("close_stale_run", account_id=account_id, run_id=run_id)
            for stale, error in overtaken:
                add_outbox_event(tx, account_id, "sync.failed", stale, error=error)
            tx.run(
                "open_run",
                run_id=run_id,
                account_id=account_id,
                execution_arn=execution_arn,
                sync_type=sync_type,
                trigger=trigger,
            )
        for _, error in overtaken:
            count_failed_run(error)
        return int(lease[0][0])

    def renew(self, run: RunRef, *, requests: int = 0) -> None:
        """Extend the lease and record the run's heartbeat.

        Raises:
            LeaseLost: another execution has taken the lease.
        """
        with self._database.transaction() as tx:
            if not tx.run(
                "renew_lease",
                account_id=run.account_id,
                epoch=run.lease_epoch,
                seconds=LEASE_LIFETIME_S,
            ):
                raise LeaseLost(f"Run {run.run_id}: another execution owns the mailbox now.")
            tx.run("run_heartbeat", run_id=run.run_id, requests=requests)

    def save_requested_pause(self, run: RunRef, wait_s: float) -> None:
        """Store a pause of `wait_s` seconds that the provider requested, in which no worker sends
        requests to this mailbox; extend the lease beyond the pause."""
        with self._database.transaction() as tx:
            tx.run(
                "save_throttle",
                account_id=run.account_id,
                epoch=run.lease_epoch,
                wait_s=wait_s,
                lease_s=float(LEASE_LIFETIME_S),
            )

    def save_max_requests_in_flight(self, account_id: AccountId, in_flight: int) -> None:
        """Store the number of concurrent requests that the provider accepts for the mailbox."""
        with self._database.transaction() as tx:
            tx.run("save_in_flight", account_id=account_id, in_flight=in_flight)
