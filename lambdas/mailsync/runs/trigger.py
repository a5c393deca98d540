"""Start syncs of mailboxes, with at most one running execution per mailbox.

A run is stored before its execution starts, with the name of the execution: the run's id, or for a
successor the run's id and a number. If the process crashes before it starts the execution, the next
request for a sync starts the execution of the stored run.
"""

from collections.abc import Iterable
from dataclasses import replace
from uuid import uuid4

from mailsync.aws.errors import AwsError
from mailsync.decisions.due import EXECUTION_DIED_ERROR_NAME, EXECUTION_STOPPED_ERROR_NAME
from mailsync.decisions.open_run import ActionForExistingRun, choose_action_for_existing_run
from mailsync.errors import SettingMissing, StoreUnavailable
from mailsync.log import logger
from mailsync.model import AccountId, RunId, SyncType, SyncTypeAndFolders
from mailsync.runs.step_functions import StepFunctions, execution_arn
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.run_store import EnqueuedOrExistingRun, RunStore, StaleRun

_MAX_ATTEMPTS = 3


class SyncStarter:
    """Starts syncs of mailboxes, joins syncs that are running, recovers stale runs (open runs
    without a recent heartbeat), and stops executions."""

    def __init__(self, runs: RunStore, step_functions: StepFunctions, machine_arn: str) -> None:
        self._runs = runs
        self._step_functions = step_functions
        self._machine_arn = machine_arn

    def start_sync(
        self,
        account_id: AccountId,
        scope: SyncTypeAndFolders,
        trigger: str,
        idempotency_key: str | None = None,
    ) -> EnqueuedOrExistingRun:
        """Create a run of the account and start its execution, or join the open run; return the
        run.

        A joined run may sync another scope than `scope`; `EnqueuedOrExistingRun.sync_scope` has the
        scope of the joined run.

        trigger: what requested the sync, such as `event`; stored with a new run.
        idempotency_key: key of the request. If the key was used before, the run of the earlier
            request is returned. None: the request has no key.

        Raises:
            StoreUnavailable: several runs in succession ended before they could be joined.
            SettingMissing, AwsError: Step Functions failed; the run may be stored, not started.
        """
        for _ in range(_MAX_ATTEMPTS):
            new_id = RunId(str(uuid4()))
            run = self._runs.enqueue_run(account_id, new_id, scope, trigger, idempotency_key)
            action = self._action(run, is_new=run.id == new_id)
            if action is ActionForExistingRun.CLOSE_DEAD_RUN:
                if idempotency_key and run.sync_scope_of_idempotency_key is None:
                    self._runs.delete_idempotency_key_of_joined_run(
                        account_id, run.id, idempotency_key
                    )
                self.fail_run_of_dead_execution(account_id, run.id, run.execution_name)
                continue
            if action is ActionForExistingRun.START_EXECUTION:
                self._start(
                    run.id, account_id, run.sync_scope.sync_type, trigger, name=run.execution_name
                )
            arn = execution_arn(self._machine_arn, run.execution_name)
            return replace(run, execution_arn=run.execution_arn or arn)
        raise StoreUnavailable("No run of this account could be started or joined; try again.")

    def start_execution_to_finish_check_run(
        self, account_id: AccountId, run_id: RunId, trigger: str
    ) -> None:
        """Start an execution that continues a run that a check has opened and could not finish."""
        self._start(run_id, account_id, SyncType.AUTOMATIC, trigger)

    def recover_stale_run(self, run: StaleRun) -> None:
        """Start the current execution of a stale run if it was never started; close the run if
        this execution died."""
        action = choose_action_for_existing_run(
            has_ended=False,
            has_begun=run.execution_arn is not None,
            is_stale=True,
            execution_status=self._status(run.execution_name),
        )
        if action is ActionForExistingRun.START_EXECUTION:
            name = run.execution_name
            self._start(run.id, run.account_id, SyncType.AUTOMATIC, "schedule", name=name)
        elif action is ActionForExistingRun.CLOSE_DEAD_RUN:
            self.fail_run_of_dead_execution(run.account_id, run.id, run.execution_name)

    def recover_stale_runs(self, runs: Iterable[StaleRun]) -> None:
        """Recover each stale run with `recover_stale_run`. If some runs fail, still recover the
        others, then raise the first error."""
        failures = []
        for run in runs:
            try:
                self.recover_stale_run(run)
            except Exception as failure:
                logger.warning("run_not_recovered", run_id=run.id, cause=type(failure).__name__)
                failures.append(failure)
        if failures:
            raise failures[0]

    def stop_execution_of_closed_run(self, run_id: RunId) -> None:
        """Stop the execution of a run that is already closed.

        Such an execution cannot write, because its run has no lease, and would soon fail. Stopping
        the execution only saves time, so a failure to stop it is logged and not raised.
        """
        try:
            name = self._runs.execution_name_of_run(run_id)
            arn = execution_arn(self._machine_arn, name)
            self._step_functions.stop_execution(arn, EXECUTION_STOPPED_ERROR_NAME)
        except (AwsError, SettingMissing, StoreUnavailable) as error:
            logger.warning("execution_not_stopped", run_id=run_id, cause=type(error).__name__)

    def start_successor_execution(self, account_id: AccountId, run_id: RunId, name: str) -> None:
        """Start the execution `name`, which goes on with a run that was handed over to it.

        Raises:
            StoreUnavailable: Step Functions rejected the call or did not respond.
            SettingMissing: see `StepFunctions`.
        """
        try:
            self._start(run_id, account_id, SyncType.AUTOMATIC, "hand-over", name=name)
        except AwsError as error:
            raise StoreUnavailable(
                f"Step Functions did not start {name} ({type(error).__name__}). The stored mail"
                " stays; the start is retried."
            ) from None

    def fail_run_of_dead_execution(
        self,
        account_id: AccountId,
        run_id: RunId,
        execution_name: str,
        cause: str = EXECUTION_DIED_ERROR_NAME,
    ) -> None:
        """Close a run whose execution ended without recording an outcome; release the run's lease.
        The run is closed as failed, with the error name `cause`. If the execution has handed the
        run over to a successor, the run stays open."""
        logger.warning("run_closed", account_id=account_id, run_id=run_id, cause=cause)
        self._runs.fail_run(
            account_id,
            run_id,
            execution_arn(self._machine_arn, execution_name),
            cause,
            "The execution was stopped or died. The stored mail stays; the next sync continues"
            " from there.",
            execution_name=execution_name,
        )

    def _action(self, run: EnqueuedOrExistingRun, *, is_new: bool) -> ActionForExistingRun:
        return choose_action_for_existing_run(
            has_ended=run.has_ended,
            has_begun=run.execution_arn is not None,
            is_stale=run.has_stale_heartbeat,
            execution_status=(
                None if is_new or run.has_ended else self._status(run.execution_name)
            ),
        )

    def _status(self, execution_name: str) -> str | None:
        return self._step_functions.find_execution_status(
            execution_arn(self._machine_arn, execution_name)
        )

    def _start(
        self,
        run_id: RunId,
        account_id: AccountId,
        sync_type: SyncType,
        trigger: str,
        *,
        name: str | None = None,
    ) -> None:
        """Start an execution of the run.

        name: name of the execution. None: the run's id, the name of the run's first execution.
        """
        state = {"accountId": account_id, "syncType": sync_type, "trigger": trigger}
        of_run = {} if name in (None, run_id) else {"runId": run_id}
        self._step_functions.start_execution(self._machine_arn, name or run_id, {**state, **of_run})


def create_sync_starter(machine_arn: str | None = None) -> SyncStarter:
    """Return a SyncStarter with the database of this process's settings.

    machine_arn: ARN of the state machine. None: the ARN in the settings.
    """
    if machine_arn is None:
        machine_arn = load_settings().mailbox_sync_state_machine_arn
    return SyncStarter(RunStore(open_database()), StepFunctions(), machine_arn)
