"""A deployment in mid-sync: executions of the version before, today's functions."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.catalog import FUNCTIONS, MAILBOX_SYNC_WORKFLOW, WORKFLOWS, Workflow
from localdev.engine.aws_resources import make_aws_client
from localdev.engine.definition import fill_function_arns
from localdev.engine.dev_login import DEMO_USER_ID
from localdev.samples import EXPECTED_RESULT_BY_LAMBDA_NAME, SampleEvents
from tests.deploy.previous import EVENTS, STATEMACHINE
from tests.local.mirror import Mirror, when
from tests.workflow.test_definitions import machines

INPUT = {"accountId", "syncType", "trigger"}
Task = dict[str, Any]


def previous(workflow: Workflow) -> str:
    return (STATEMACHINE / workflow.asl_file_name).read_text()


def tasks() -> dict[str, Task]:
    """Each Task of the previous definitions by its name."""
    return {
        name: state
        for workflow in WORKFLOWS
        for machine in machines(json.loads(previous(workflow)))
        for name, state in machine["States"].items()
        if state["Type"] == "Task"
    }


def read_of_answer(node: Any) -> Iterator[str]:
    """The members of a function's result that a Task of the definition picks."""
    for path in node.get("ResultSelector", {}).values():
        if isinstance(path, str) and path.startswith("$.Payload."):
            yield path.removeprefix("$.Payload.")


def test_the_recorded_payloads_are_those_that_the_recorded_definitions_send() -> None:
    recorded = {path.stem: json.loads(path.read_text()) for path in EVENTS.iterdir()}
    sent = {
        name: {key.removesuffix(".$") for key in task["Parameters"].get("Payload", {})}
        for name, task in tasks().items()
    }

    assert {name: set(payload) for name, payload in recorded.items()} == sent
    assert set(recorded["mark-syncing"]["input"]) == INPUT


def test_an_execution_begun_under_the_previous_definition_ends_well(mirror: Mirror) -> None:
    mirror.finished()
    mirror.simulate("deliver", subject="Arrived in mid-deployment")
    client = make_aws_client("stepfunctions", mirror.stack.aws_url)
    machine = client.create_state_machine(
        name="previous-mailbox-sync",
        definition=fill_function_arns(previous(MAILBOX_SYNC_WORKFLOW), FUNCTIONS),
        roleArn="arn:aws:iam::123456789012:role/previous",
    )["stateMachineArn"]

    arn = client.start_execution(
        stateMachineArn=machine,
        name="begun-before-the-deployment",
        input=json.dumps({"accountId": mirror.account.id}),
    )["executionArn"]
    when(lambda: client.describe_execution(executionArn=arn)["status"] != "RUNNING")

    found = client.describe_execution(executionArn=arn)
    assert found["status"] == "SUCCEEDED", found
    assert mirror.divergences() == []


def test_functions_answer_what_the_previous_version_sent_with_what_it_read(mirror: Mirror) -> None:
    folder = next(each for each in mirror.finished()["folders"] if each["role"] == "inbox")
    samples = SampleEvents(
        mirror.account.id,
        DEMO_USER_ID,
        folder["id"],
        event_files_folder=EVENTS,
        run_id="of-the-previous-version",
    )

    for name in [each for each in EXPECTED_RESULT_BY_LAMBDA_NAME if each in tasks()]:
        result = mirror.stack.lambdas.invoke(name, samples.build_sample_event(name))
        assert not result.failed, (name, result.payload)
        assert set(read_of_answer(tasks()[name])) <= (json.loads(result.payload) or {}).keys()
        assert samples.describe_lambda_result_mismatch(name, result.payload) is None

    assert mirror.synced()["status"] == "completed"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda each: each.name)
def test_no_function_that_the_previous_definition_calls_is_gone(workflow: Workflow) -> None:
    assert "${" not in fill_function_arns(previous(workflow), FUNCTIONS)
