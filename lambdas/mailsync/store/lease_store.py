"""Store leases of mailboxes. A lease lets one worker at a time write to a mailbox, and its epoch
number fences the writes of earlier workers.

See Kleppmann, "How to do distributed locking" (2016), on leases and fencing tokens.
"""

from mailsync.errors import LeaseLost
from mailsync.metrics import count_failed_run
from mailsync.model import AccountId, RunId, RunRef, SyncType
from mailsync.store.connection import Database
from mailsync.store.run_outcome import add_outbox_event, record_run_outcome

LEASE_LIFETIME_S = 15 * 60
"""The lifetime in seconds of an execution's lease. It is longer than any Lambda function runs, and
longer than any pause between two functions."""

CHECK_FUNCTION_NAME = "sync-accounts"
"""The name that is stored as owner of the lease during a check, because a check has no execution.
"""


class LeaseStore:
    """Takes and extends leases of mailboxes. Raises StoreUnavailable and StoreRejected.

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
        """Take the lease of the mailbox for an execution, mark the execution's run as begun, and
        return the epoch of the lease.

        Returns None if another execution holds the lease, or if the run was stopped before it
        started. A retry by the same execution gets the same epoch. If a check without a run holds
        the lease, the execution takes the lease from the check.
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
        """Extend the lease of the mailbox, and record the run's heartbeat and its number of
        requests.

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
        """Store that the provider requested a pause of `wait_s` seconds; extend the lease beyond
        the pause. During the pause no worker sends requests to this mailbox."""
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
