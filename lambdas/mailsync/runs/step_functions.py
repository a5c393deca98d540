"""Start, describe and stop executions of AWS Step Functions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from mailsync.errors import SettingMissing

_MISCONFIGURED = frozenset(
    {
        "AccessDeniedException",
        "InvalidArn",
        "StateMachineDeleting",
        "StateMachineDoesNotExist",
        "UnrecognizedClientException",
        "ValidationException",
    }
)


class StepFunctions:
    """A client for AWS Step Functions.

    Every method raises SettingMissing if Step Functions does not know the ARN of the state machine,
    or if the role of this Lambda function lacks the permission.
    """

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        # The gateway gives up after 29 s: all attempts together stay under that.
        limits = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3})
        return boto3.client("stepfunctions", config=limits)

    def start(self, machine_arn: str, name: str, state: dict[str, Any]) -> str:
        """Start an execution with this name and return its ARN. If an execution with this name
        exists, return its ARN and start nothing."""
        try:
            with _setting_missing():
                started = self._client.start_execution(
                    stateMachineArn=machine_arn, name=name, input=json.dumps(state)
                )
        except self._client.exceptions.ExecutionAlreadyExists:
            return execution_arn(machine_arn, name)
        return str(started["executionArn"])

    def status(self, arn: str) -> str | None:
        """Return the status of an execution, such as "RUNNING". None: it does not exist."""
        try:
            with _setting_missing():
                found = self._client.describe_execution(executionArn=arn)
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        return str(found["status"])

    def stop(self, arn: str, error: str) -> None:
        """Stop an execution and record `error` as its error name. Do nothing if the execution has
        ended or does not exist."""
        gone = self._client.exceptions.ExecutionDoesNotExist
        with suppress(gone), _setting_missing():
            self._client.stop_execution(executionArn=arn, error=error)


def execution_arn(machine_arn: str, name: str) -> str:
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def machine_arn_of_execution(arn: str) -> str:
    """Return the ARN of the state machine whose execution has this ARN."""
    return arn.rpartition(":")[0].replace(":execution:", ":stateMachine:")


@contextmanager
def _setting_missing() -> Iterator[None]:
    """Raise SettingMissing for the errors that only a deployment can mend."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in _MISCONFIGURED:
            raise
        raise SettingMissing(
            f"Step Functions rejects the call ({code}). Check MAILBOX_SYNC_ARN and TEST_SYNC_ARN,"
            " and the permissions of the function's role."
        ) from None
