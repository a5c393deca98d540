"""Check that a deployed stage works: its health route and its self-test."""

import json
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from uuid import uuid4

from infra.deploy.aws_account import AwsAccount
from infra.deploy.failure import DeploymentFailed

HEALTH_TIMEOUT_S = 120
"""Time within which a new API must respond, in seconds: its route and its function start first."""
SELF_TEST_TIMEOUT_S = 600
_POLL_INTERVAL_S = 2.0


def wait_for_health(api_url: str, *, patience_s: float = HEALTH_TIMEOUT_S) -> None:
    """Return once `/api/health` reports that the database is usable.

    Raises:
        DeploymentFailed: the route did not report that within `patience_s` seconds. The message
            contains the last response.
    """
    deadline = time.monotonic() + patience_s
    while (response := _fetch_health(api_url)) is not None:
        if time.monotonic() > deadline:
            raise DeploymentFailed(
                f"The stage is deployed, and {api_url}/api/health reports: {response}. The log of"
                " the function `api` has the cause; run the command again."
            )
        time.sleep(_POLL_INTERVAL_S)


def _fetch_health(api_url: str) -> str | None:
    """Return None if the route reports health, else a short text with the response, or with the
    reason why there was no response."""
    try:
        with urllib.request.urlopen(f"{api_url}/api/health", timeout=30) as response:  # noqa: S310
            status = json.load(response).get("status")
            return None if status == "ok" else f"status {status}"
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read(500).decode(errors='replace')}"
    except (OSError, ValueError, AttributeError, HTTPException) as error:
        return f"no response ({error})"


def run_self_test(
    account: AwsAccount, state_machine_arn: str, *, patience_s: float = SELF_TEST_TIMEOUT_S
) -> None:
    """Run the stage's self-test and wait until it succeeds. The self-test sends requests to the
    database and to the mail providers.

    Raises:
        DeploymentFailed: the self-test failed, or still runs after `patience_s` seconds. The
            message contains the error of a failed self-test.
    """
    executions = account.make_client("stepfunctions")
    arn = executions.start_execution(
        stateMachineArn=state_machine_arn, name=str(uuid4()), input="{}"
    )["executionArn"]
    deadline = time.monotonic() + patience_s
    while (found := executions.describe_execution(executionArn=arn))["status"] == "RUNNING":
        if time.monotonic() > deadline:
            raise DeploymentFailed(f"The stage is deployed; its self-test still runs: {arn}.")
        time.sleep(_POLL_INTERVAL_S)
    if found["status"] != "SUCCEEDED":
        raise DeploymentFailed(
            f"The stage is deployed, and its self-test ended as {found['status']}:"
            f" {found.get('error', 'no error')}, {found.get('cause', 'no cause')}. Correct it and"
            " run the command again."
        )
