"""Store the hand-over of a run from one execution to the next."""

from mailsync.decisions.successor import (
    compute_max_history_events_of_failed_state_and_handler,
    compute_max_history_events_of_state,
    make_successor_execution_name,
)
from mailsync.errors import LeaseLost
from mailsync.model import RunRef
from mailsync.store.connection import Database
from mailsync.store.lease_store import LEASE_LIFETIME_S


class SuccessorStore:
    """Stores which execution goes on with a run, and the number of history events of the run's
    current execution.

    Every method is one transaction. Raises StoreUnavailable and StoreRejected.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def hand_over_run(self, run: RunRef, execution_name: str, execution_arn: str) -> str | None:
        """Make the successor of this execution the run's current execution, and give the successor
        the lease under a new epoch. Return the successor's name; the caller starts the successor.

        A further call for the same execution changes nothing and returns the same name. Returns
        None if there is nothing to start, because the run has ended or the successor has begun.

        Raises:
            LeaseLost: another execution has taken the lease.
        """
        successor = make_successor_execution_name(run.run_id, execution_name)
        with self._database.transaction() as tx:
            tx.run("lock_account", account_id=run.account_id)
            current = tx.run("current_execution", run_id=run.run_id)
            if current != [[execution_name, True]]:
                return successor if current == [[successor, False]] else None
            if not tx.run(
                "hand_over_lease",
                account_id=run.account_id,
                epoch=run.lease_epoch,
                owner=execution_arn.removesuffix(execution_name) + successor,
                seconds=LEASE_LIFETIME_S,
            ):
                raise LeaseLost(f"Run {run.run_id}: another execution owns the mailbox now.")
            tx.run("name_successor", run_id=run.run_id, execution_name=successor)
        return successor

    def count_history_events_of_state_visit(self, run: RunRef, retry_count: int | None) -> None:
        """Add the history events of a state's visit to the count of the run's current execution;
        see `compute_max_history_events_of_state`."""
        self._count_events(run, compute_max_history_events_of_state(retry_count))

    def count_history_events_of_failed_state(self, run: RunRef, retry_count: int | None) -> None:
        """Add the history events of a failed state and of the state `folder-failed` after it to the
        count of the run's current execution; see
        `compute_max_history_events_of_failed_state_and_handler`."""
        self._count_events(run, compute_max_history_events_of_failed_state_and_handler(retry_count))

    def _count_events(self, run: RunRef, events: int) -> None:
        with self._database.transaction() as tx:
            tx.run("count_events", run_id=run.run_id, events=events)
