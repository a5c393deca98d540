import gc
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

from infra.catalog import FUNCTIONS, WORKFLOWS, Function, Workflow
from localdev.engine import aws_endpoint, executions
from localdev.engine.aws_endpoint import AwsEndpoint
from localdev.engine.aws_resources import (
    create_event_bus,
    create_state_machines,
    make_aws_client,
    read_or_create_token_kms_key,
    reset_moto_state,
)
from localdev.engine.executions import forget_old_executions
from localdev.engine.lambda_host import LambdaHost

BEHAVE = Function(name="behave", purpose="Behaves as its event demands.")


@dataclass(frozen=True)
class OneTask(Workflow):
    """Calls `behave` with its input; retries FolderGone once after a wait, then gives up."""

    @property
    def asl_text(self) -> str:
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "${BehaveFunctionArn}", "Payload.$": "$"},
            "ResultSelector": {"event.$": "$.Payload.event"},
            "TimeoutSeconds": 40,
            "Retry": [{"ErrorEquals": ["FolderGone"], "IntervalSeconds": 60, "MaxAttempts": 1}],
            "End": True,
        }
        return json.dumps({"StartAt": "behave", "States": {"behave": task}})


@pytest.fixture
def endpoint(host: LambdaHost) -> Iterator[AwsEndpoint]:
    server = AwsEndpoint(host, port=0)
    reset_moto_state()
    yield server
    server.stop()


@pytest.fixture
def arn(endpoint: AwsEndpoint) -> str:
    """Of the state machine of `OneTask`."""
    return create_state_machines(
        endpoint.url, [OneTask(name="one-task", asl_file_name="")], [BEHAVE]
    )["one-task"]


def execute(endpoint: AwsEndpoint, arn: str, event: object, name: str = "run-1") -> dict[str, str]:
    client = make_aws_client("stepfunctions", endpoint.url)
    started = client.start_execution(stateMachineArn=arn, name=name, input=json.dumps(event))
    while True:
        execution: dict[str, str] = client.describe_execution(executionArn=started["executionArn"])
        if execution["status"] != "RUNNING":
            return execution
        time.sleep(0.05)


def test_a_workflow_calls_real_functions(endpoint: AwsEndpoint, arn: str) -> None:
    execution = execute(endpoint, arn, {"n": 1})

    assert execution["status"] == "SUCCEEDED"
    assert json.loads(execution["output"]) == {"event": {"n": 1}}


@dataclass(frozen=True)
class Endless(Workflow):
    """A Map whose two iterations loop for ever, and that catches every error."""

    @property
    def asl_text(self) -> str:
        loop = {"Type": "Pass", "Next": "again"}
        again = {"Type": "Pass", "Next": "loop"}
        each = {"StartAt": "loop", "States": {"loop": loop, "again": again}}
        caught = {"ErrorEquals": ["States.ALL"], "Next": "caught"}
        whole = {"Type": "Map", "ItemProcessor": each, "Catch": [caught], "End": True}
        states = {"whole": whole, "caught": {"Type": "Succeed"}}
        return json.dumps({"StartAt": "whole", "States": states})


def test_an_execution_with_a_longer_history_than_aws_allows_fails_as_there(
    endpoint: AwsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert executions.HISTORY_EVENT_QUOTA_PER_EXECUTION == 25_000
    monkeypatch.setattr(executions, "HISTORY_EVENT_QUOTA_PER_EXECUTION", 1_000)
    arns = create_state_machines(endpoint.url, [Endless(name="endless", asl_file_name="")], [])

    execution = execute(endpoint, arns["endless"], [1, 2])

    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
    assert execution["cause"] == (
        "The execution reached the maximum number of history events (25000)."
    )
    client = make_aws_client("stepfunctions", endpoint.url)
    last = client.get_execution_history(executionArn=execution["executionArn"])["events"][-1]
    assert (last["id"], last["type"]) == (1_000, "ExecutionFailed")


def test_executions_at_the_same_time_share_a_program_and_no_data(
    endpoint: AwsEndpoint, arn: str
) -> None:
    inputs = [{"do": "sleep", "seconds": 0.2, "n": number} for number in range(4)]

    with ThreadPoolExecutor(len(inputs)) as pool:
        names = [f"run-{number}" for number in range(len(inputs))]
        ended = list(pool.map(partial(execute, endpoint, arn), inputs, names))

    assert [json.loads(each["output"])["event"] for each in ended] == inputs
    definition = OneTask(name="one-task", asl_file_name="").asl_text
    first, second = map(AmazonStateLanguageParser.parse, [definition] * 2)
    assert first is second


def test_the_oldest_executions_that_ended_are_forgotten(
    endpoint: AwsEndpoint, arn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_endpoint, "forget_old_executions", lambda: forget_old_executions(2))
    lasting = json.dumps({"do": "sleep", "seconds": 3})
    client = make_aws_client("stepfunctions", endpoint.url)
    client.start_execution(stateMachineArn=arn, name="lasting", input=lasting)
    for number in range(1, 5):
        execute(endpoint, arn, {"n": number}, name=f"run-{number}")

    client.start_execution(stateMachineArn=arn, name="last", input=lasting)

    found = client.list_executions(stateMachineArn=arn)["executions"]
    assert {each["name"] for each in found} == {"lasting", "run-3", "run-4", "last"}


def test_no_thread_is_held_once_it_has_ended(endpoint: AwsEndpoint, arn: str) -> None:
    execute(endpoint, arn, {}, name="run-0")
    before = ended_threads()

    for number in range(1, 7):
        execute(endpoint, arn, {}, name=f"run-{number}")

    assert ended_threads() - before < 6


def ended_threads() -> int:
    gc.collect()
    threads = [each for each in gc.get_objects() if isinstance(each, threading.Thread)]
    return sum(not each.is_alive() for each in threads)


def test_a_scaled_workflow_fails_under_its_error_s_name_without_the_wait(
    endpoint: AwsEndpoint,
) -> None:
    workflow = OneTask(name="one-task", asl_file_name="")
    arns = create_state_machines(endpoint.url, [workflow], [BEHAVE], time_scale=0.01)
    began = time.monotonic()

    execution = execute(endpoint, arns["one-task"], {"do": "raise"})

    assert (execution["status"], execution["error"]) == ("FAILED", "FolderGone")
    assert 1 <= time.monotonic() - began < 20


def test_the_product_s_workflows_and_bus_can_be_created(endpoint: AwsEndpoint) -> None:
    arns = create_state_machines(endpoint.url, WORKFLOWS, FUNCTIONS)
    create_event_bus(endpoint.url)

    machines = make_aws_client("stepfunctions", endpoint.url).list_state_machines()["stateMachines"]
    assert {each["stateMachineArn"] for each in machines} == set(arns.values())
    assert set(arns) == {"mailbox-sync", "test-sync"}


def test_what_the_key_sealed_opens_after_a_restart(endpoint: AwsEndpoint, tmp_path: Path) -> None:
    kms, file = make_aws_client("kms", endpoint.url), tmp_path / "token-key.json"
    context = {"accountId": "a1"}
    key = read_or_create_token_kms_key(endpoint.url, file)
    sealed = kms.encrypt(KeyId=key.arn, Plaintext=b"token", EncryptionContext=context)

    reset_moto_state()
    again = read_or_create_token_kms_key(endpoint.url, file)

    blob = sealed["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"token"
    assert again == key
    assert file.stat().st_mode & 0o777 == 0o600


def test_functions_are_invoked_through_the_aws_sdk(endpoint: AwsEndpoint) -> None:
    client = make_aws_client("lambda", endpoint.url)

    fine = client.invoke(FunctionName="behave", Payload=b'{"n": 1}')
    failed = client.invoke(FunctionName="behave", Payload=b'{"do": "raise"}')
    later = client.invoke(FunctionName="behave", Payload=b"{}", InvocationType="Event")

    assert json.loads(fine["Payload"].read())["event"] == {"n": 1}
    assert failed["FunctionError"] == "Unhandled"
    assert later["StatusCode"] == 202
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="nobody")
