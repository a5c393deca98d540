"""Starting executions, and the rule that a mailbox has at most one that lives.

A run is written before its execution is started, and the execution bears its name: a crash
between the two leaves a queued run, which whoever comes next starts under the same name.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import Any
from uuid import uuid4

from mailsync.errors import SettingMissing, StoreUnavailable
from mailsync.log import logger
from mailsync.model import AccountId, FolderId, RunId, SyncScope, SyncType
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.run_store import OpenRun, RunStore, StaleRun
from mailsync.sync.due import EXECUTION_DIED, EXECUTION_STOPPED

_TRIES = 3
_OPEN = ("queued", "running")
_RUNNING = "RUNNING"
_REFUSED = frozenset(
    {
        "AccessDeniedException",
        "InvalidArn",
        "StateMachineDeleting",
        "StateMachineDoesNotExist",
        "UnrecognizedClientException",
        "ValidationException",
    }
)


class Workflows:
    """The state machines, by Step Functions' API.

    Every method raises SettingMissing when Step Functions refuses a machine or this function.
    """

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        # The gateway gives up after 29 s: all attempts together stay under that.
        limits = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3})
        return boto3.client("stepfunctions", config=limits)

    def start(self, machine_arn: str, name: str, state: dict[str, Any]) -> str:
        """Starts an execution and returns its ARN; one of the same name is not started again."""
        try:
            with _refusals_named():
                started = self._client.start_execution(
                    stateMachineArn=machine_arn, name=name, input=json.dumps(state)
                )
        except self._client.exceptions.ExecutionAlreadyExists:
            return execution_arn(machine_arn, name)
        return str(started["executionArn"])

    def status(self, arn: str) -> str | None:
        """As Step Functions names it; None when there has been no such execution."""
        try:
            with _refusals_named():
                found = self._client.describe_execution(executionArn=arn)
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        return str(found["status"])

    def stop(self, arn: str, error: str) -> None:
        """Ends an execution under that name; one that has ended, or never was, is left alone."""
        gone = self._client.exceptions.ExecutionDoesNotExist
        with suppress(gone), _refusals_named():
            self._client.stop_execution(executionArn=arn, error=error)


@contextmanager
def _refusals_named() -> Iterator[None]:
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in _REFUSED:
            raise
        raise SettingMissing(
            f"Step Functions refuses the call ({code}); check MAILBOX_SYNC_ARN and TEST_SYNC_ARN,"
            " and what the function's role may do."
        ) from None


def execution_arn(machine_arn: str, name: str) -> str:
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


class Trigger:
    """Starts syncs of mailboxes, or joins the one that is under way."""

    def __init__(self, runs: RunStore, workflows: Workflows, machine_arn: str) -> None:
        self._runs = runs
        self._workflows = workflows
        self._machine_arn = machine_arn

    def sync(
        self,
        account_id: AccountId,
        sync_type: SyncType,
        trigger: str,
        idempotency_key: str | None = None,
        folder_ids: tuple[FolderId, ...] = (),
    ) -> OpenRun:
        """The run that now works on the account; its execution is started.

        A run that was there already is not what was asked for: `scope` says what it is.

        Raises:
            StoreUnavailable: runs of this account ended as fast as they were found.
        """
        scope = SyncScope(sync_type, folder_ids)
        for _ in range(_TRIES):
            wanted = RunId(str(uuid4()))
            run = self._runs.enqueue(account_id, wanted, scope, trigger, idempotency_key)
            if run.status not in _OPEN:
                return self._named(run)
            execution = None if run.id == wanted else self._status(run.id)
            if execution == _RUNNING:
                return self._named(run)
            if _never_began(run.execution_arn, execution):
                self._start(run.id, account_id, run.scope.sync_type, trigger)
                return self._named(run)
            if idempotency_key and run.repeats is None:
                self._runs.forget_joined(account_id, run.id, idempotency_key)
            self.close(account_id, run.id)
        raise StoreUnavailable("No run of this account could be started or joined; try again.")

    def start_handed_over(self, account_id: AccountId, run_id: RunId, trigger: str) -> None:
        """Starts the execution of a run that was begun without one, or that waits for it."""
        self._start(run_id, account_id, SyncType.AUTO, trigger)

    def recover(self, run: StaleRun) -> None:
        """Starts a run that was never started; closes one whose execution is dead."""
        execution = self._status(run.id)
        if execution == _RUNNING:
            return
        if _never_began(run.execution_arn, execution):
            self._start(run.id, run.account_id, SyncType.AUTO, "schedule")
        else:
            self.close(run.account_id, run.id)

    def recover_all(self, runs: Iterable[StaleRun]) -> None:
        """Every one has its turn; then the first failure is raised, if there was any."""
        failures = []
        for run in runs:
            try:
                self.recover(run)
            except Exception as failure:
                logger.warning("run_not_recovered", run_id=run.id, cause=type(failure).__name__)
                failures.append(failure)
        if failures:
            raise failures[0]

    def stop(self, run_id: RunId) -> None:
        """Ends the execution of a run that was closed already, which only saves time: it can write
        nothing any more and ends by itself. So nobody is refused what he asked for when Step
        Functions does not stop it."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._workflows.stop(execution_arn(self._machine_arn, run_id), EXECUTION_STOPPED)
        except (BotoCoreError, ClientError, SettingMissing) as error:
            logger.warning("execution_not_stopped", run_id=run_id, cause=type(error).__name__)

    def close(self, account_id: AccountId, run_id: RunId, cause: str = EXECUTION_DIED) -> None:
        """The run's execution is over without having said so: frees the mailbox."""
        logger.warning("run_closed", account_id=account_id, run_id=run_id, cause=cause)
        self._runs.fail(
            account_id,
            run_id,
            execution_arn(self._machine_arn, run_id),
            cause,
            "The execution was stopped or died; what is stored stays, the next run goes on.",
        )

    def _status(self, run_id: RunId) -> str | None:
        return self._workflows.status(execution_arn(self._machine_arn, run_id))

    def _start(
        self, run_id: RunId, account_id: AccountId, sync_type: SyncType, trigger: str
    ) -> None:
        state = {"accountId": account_id, "syncType": sync_type, "trigger": trigger}
        self._workflows.start(self._machine_arn, run_id, state)

    def _named(self, run: OpenRun) -> OpenRun:
        arn = execution_arn(self._machine_arn, run.id)
        return replace(run, execution_arn=run.execution_arn or arn)


def _never_began(arn_of_run: str | None, execution: str | None) -> bool:
    """An execution that ended before its run began cannot be started again: its name is taken."""
    return arn_of_run is None and execution is None


def open_trigger() -> Trigger:
    """The trigger of this process, by its own settings."""
    return Trigger(RunStore(open_database()), Workflows(), load_settings().mailbox_sync_arn)
