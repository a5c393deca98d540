"""Store leases of mailboxes. A lease lets one worker at a time write to a mailbox, and its epoch
number fences the writes of earlier workers.

See Kleppmann, "How to do distributed locking" (2016), on leases and fencing tokens.
"""

from mailsync.decisions import successor
from mailsync.errors import LeaseLost
from mailsync.metrics import add_failed_run_to_metrics
from mailsync.model import AccountId, RunId, RunRef, SyncType
from mailsync.store.connection import Database, Transaction
from mailsync.store.run_outcome import add_outbox_event, save_run_outcome

LEASE_LIFETIME_S = 15 * 60
"""The lifetime in seconds of an execution's lease. It is longer than any Lambda function of the
workflow runs. `save_pause_requested_by_provider` extends the lease for a pause."""

LEASE_OWNER_OF_CHECKS = "sync-accounts"
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
        *,
        execution_name: str | None = None,
    ) -> int | None:
        """Take the lease of the mailbox for an execution, mark the execution's run as begun, and
        return the epoch of the lease.

        Returns None if another worker holds the lease (the run is then closed as `cancelled`), or
        if the run has ended or another execution goes on with it. A retry by the same execution
        gets the same epoch. A check without a run, or with this run, loses the lease.

        execution_name: name of the execution. None: the run's id.
        """
        execution_name = execution_name or run_id
        with self._database.transaction() as tx:
            tx.run("lock_account", account_id=account_id)
            if tx.run("foreign_run", run_id=run_id, execution_name=execution_name):
                return None
            lease = tx.run(
                "take_lease",
                account_id=account_id,
                run_id=run_id,
                owner=execution_arn,
                checker=LEASE_OWNER_OF_CHECKS,
                seconds=LEASE_LIFETIME_S,
            )
            if not lease:
                other = "Another run was at work."
                save_run_outcome(tx, run_id, "cancelled", "AlreadySyncing", other)
                return None
            stale_errors = _close_stale_run(tx, account_id, run_id)
            tx.run(
                "open_run",
                run_id=run_id,
                account_id=account_id,
                execution_arn=execution_arn,
                execution_name=execution_name,
                sync_type=sync_type,
                trigger=trigger,
                events=2 * successor.MAX_HISTORY_EVENTS_PER_ENTERED_STATE,
            )
        for error in stale_errors:
            add_failed_run_to_metrics(error)
        return int(lease[0][0])

    def renew_lease(self, run: RunRef, *, requests: int = 0, events: int = 0) -> bool:
        """Extend the lease of the mailbox, and store the time of the run's heartbeat. Return
        whether the execution must hand over the run.

        requests: number of requests to the provider since the last heartbeat.
        events: number of history events to add to the count of the run's current execution.

        Raises:
            LeaseLost: another execution has taken the lease, or a user has stopped the run.
        """
        with self._database.transaction() as tx:
            if not tx.run(
                "renew_lease",
                account_id=run.account_id,
                epoch=run.lease_epoch,
                seconds=LEASE_LIFETIME_S,
            ):
                raise LeaseLost(f"Run {run.run_id}: another execution owns the mailbox now.")
            beat = tx.run(
                "run_heartbeat",
                run_id=run.run_id,
                requests=requests,
                events=events,
                max_events=successor.MAX_HISTORY_EVENTS_PER_EXECUTION,
                max_age_s=float(successor.MAX_EXECUTION_AGE_S),
            )
        return bool(beat and beat[0][0])

    def increment_pause_count_of_run(self, run: RunRef) -> int:
        """Add one to the run's count of pauses that the provider requested. Return the number of
        such pauses since a state of the workflow last did its work."""
        with self._database.transaction() as tx:
            counted = tx.run("count_wait", run_id=run.run_id)
        return int(counted[0][0]) if counted else 0

    def save_pause_requested_by_provider(self, run: RunRef, wait_s: float) -> None:
        """Store that the provider requested a pause of `wait_s` seconds. Extend the lease beyond
        the end of the pause. During the pause no worker sends requests for this mailbox."""
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


def _close_stale_run(tx: Transaction, account_id: AccountId, run_id: RunId) -> list[str]:
    """Close the account's other open run, after the execution of `run_id` has taken the account's
    lease. Return the error name of the closed run; an empty list if there was none."""
    overtaken = tx.run("close_stale_run", account_id=account_id, run_id=run_id)
    for stale, error in overtaken:
        add_outbox_event(tx, account_id, "sync.failed", stale, error=error)
    return [error for _, error in overtaken]
