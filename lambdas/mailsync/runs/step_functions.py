"""Start, describe and stop executions of AWS Step Functions."""

import json
from typing import Any

from mailsync.aws.client import STEP_FUNCTIONS_SERVICE, AwsClient
from mailsync.aws.errors import AwsRejected
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
_UNKNOWN_EXECUTION_CODE = "ExecutionDoesNotExist"


class StepFunctions:
    """A client for AWS Step Functions.

    Every method raises SettingMissing if Step Functions does not know the ARN of the state machine,
    or if the role of this Lambda function lacks the permission. After any other failure it raises
    AwsRejected or AwsUnavailable.
    """

    def __init__(self) -> None:
        # All attempts together must end before API Gateway's time-out of 30 s.
        self._client = AwsClient(STEP_FUNCTIONS_SERVICE, timeout_s=4, max_attempts=3)

    def start_execution(self, machine_arn: str, name: str, state: dict[str, Any]) -> str:
        """Start an execution with this name and return its ARN. If an execution with this name
        exists, return its ARN and start nothing."""
        try:
            started = self._call(
                "StartExecution", stateMachineArn=machine_arn, name=name, input=json.dumps(state)
            )
        except AwsRejected as error:
            if error.code != "ExecutionAlreadyExists":
                raise
            return execution_arn(machine_arn, name)
        return str(started["executionArn"])

    def find_execution_status(self, arn: str) -> str | None:
        """Return the status of an execution, such as "RUNNING". None: no such execution."""
        try:
            return str(self._call("DescribeExecution", executionArn=arn)["status"])
        except AwsRejected as error:
            if error.code != _UNKNOWN_EXECUTION_CODE:
                raise
            return None

    def stop_execution(self, arn: str, error: str) -> None:
        """Stop an execution and record `error` as its error name. Do nothing if the execution has
        ended or does not exist."""
        try:
            self._call("StopExecution", executionArn=arn, error=error)
        except AwsRejected as rejected:
            if rejected.code != _UNKNOWN_EXECUTION_CODE:
                raise

    def _call(self, operation: str, **parameters: str) -> dict[str, Any]:
        try:
            return self._client.call_operation(operation, **parameters)
        except AwsRejected as error:
            if error.code not in _MISCONFIGURED:
                raise
            raise SettingMissing(
                f"Step Functions rejects the call ({error.code}). Check MAILBOX_SYNC_ARN and"
                " TEST_SYNC_ARN, and the permissions of the function's role."
            ) from None


def execution_arn(machine_arn: str, name: str) -> str:
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def machine_arn_of_execution(arn: str) -> str:
    """Return the ARN of the state machine whose execution has this ARN."""
    return arn.rpartition(":")[0].replace(":execution:", ":stateMachine:")
