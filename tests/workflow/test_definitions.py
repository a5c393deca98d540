"""The ASL files themselves: every error has a route, every task a time-out, nothing dangles."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.session import get_session

from infra import catalog
from localdev.samples import EXPECTED_RESULT_BY_LAMBDA_NAME, SAMPLE_EVENT_FILES_FOLDER
from mailsync.decisions import successor
from mailsync.errors import list_raisable_error_names

SERVICE_ERRORS = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
    "Lambda.ResourceNotReadyException",
    "Lambda.ENINotReadyException",
    "Lambda.EC2ThrottledException",
    "Lambda.EC2UnexpectedException",
    "Lambda.ENILimitReachedException",
    "Lambda.SubnetIPAddressLimitReachedException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Sandbox.Timedout",
    "States.Timeout",
}
FINAL_ERRORS_OF_LAMBDA = {
    *("EC2AccessDenied", "InvalidRuntime", "InvalidSecurityGroupID", "InvalidSubnetID"),
    *("InvalidZipFile", "KMSAccessDenied", "KMSDisabled", "KMSInvalidState", "KMSNotFound"),
}
"""Errors of Lambda's Invoke with the status 502 that an operator must mend."""
WORKFLOWS = pytest.mark.parametrize("workflow", catalog.WORKFLOWS, ids=lambda each: each.name)


def machines(machine: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A machine and those inside its Map states."""
    yield machine
    for state in machine["States"].values():
        if "ItemProcessor" in state:
            yield from machines(state["ItemProcessor"])


def states(workflow: catalog.Workflow) -> Iterator[tuple[str, dict[str, Any]]]:
    for machine in machines(json.loads(workflow.asl_text)):
        yield from machine["States"].items()


TASKS = {
    name: state
    for workflow in catalog.WORKFLOWS
    for name, state in states(workflow)
    if state["Type"] == "Task"
}
EVERY_TASK = pytest.mark.parametrize(("name", "task"), TASKS.items(), ids=TASKS)


def named_errors(workflow: catalog.Workflow, *fields: str) -> set[str]:
    return {
        error
        for _, state in states(workflow)
        for field in fields
        for rule in state.get(field, [])
        for error in rule["ErrorEquals"]
    }


def successors(state: dict[str, Any]) -> set[str]:
    rules = [state, *state.get("Catch", []), *state.get("Choices", [])]
    found = {rule["Next"] for rule in rules if "Next" in rule}
    return found | ({state["Default"]} if "Default" in state else set())


def test_every_product_error_has_a_route_and_every_route_a_product_error() -> None:
    named = named_errors(catalog.MAILBOX_SYNC_WORKFLOW, "Retry", "Catch")

    assert named - SERVICE_ERRORS - {"States.ALL"} == list_raisable_error_names()


@EVERY_TASK
def test_a_task_has_a_comment_and_retries_and_outlasts_the_function_of_its_name(
    name: str, task: dict[str, Any]
) -> None:
    (function,) = (each for each in catalog.FUNCTIONS if each.name == name)

    assert {"Comment", "Retry"} <= task.keys()
    assert task["Parameters"]["FunctionName"] == f"${{{function.arn_placeholder_name_in_asl}}}"
    assert task["TimeoutSeconds"] > function.timeout_s


@EVERY_TASK
def test_a_task_is_retried_after_every_error_of_lambda_that_passes(
    name: str, task: dict[str, Any]
) -> None:
    """Lambda's API says which errors Invoke has: throttling (429) and its own failures (5xx)."""
    invoke = get_session().get_service_model("lambda").operation_model("Invoke")
    passing = {
        f"Lambda.{error.name}"
        for error in invoke.error_shapes
        if error.metadata["error"]["httpStatusCode"] in (429, 500, 502)
        and error.name.removesuffix("Exception") not in FINAL_ERRORS_OF_LAMBDA
    }

    assert passing <= {error for rule in task["Retry"] for error in rule["ErrorEquals"]}


@EVERY_TASK
def test_a_task_names_the_partition_of_its_stage(name: str, task: dict[str, Any]) -> None:
    assert (
        task["Resource"] == f"arn:${{{catalog.AWS_PARTITION_PLACEHOLDER}}}:states:::lambda:invoke"
    )


@WORKFLOWS
def test_states_all_is_never_retried_and_is_caught_last_and_alone(
    workflow: catalog.Workflow,
) -> None:
    assert "States.ALL" not in named_errors(workflow, "Retry")
    for name, state in states(workflow):
        if caught := [rule["ErrorEquals"] for rule in state.get("Catch", [])]:
            assert "States.ALL" not in {error for errors in caught[:-1] for error in errors}, name
            assert caught[-1] == ["States.ALL"], name


@WORKFLOWS
def test_every_state_is_reached_and_every_successor_exists(workflow: catalog.Workflow) -> None:
    for machine in machines(json.loads(workflow.asl_text)):
        reached = {machine["StartAt"]}.union(*map(successors, machine["States"].values()))
        assert reached == machine["States"].keys()


@EVERY_TASK
def test_throttling_and_outages_back_off_with_full_jitter(name: str, task: dict[str, Any]) -> None:
    for rule in task["Retry"]:
        if rule["MaxAttempts"]:
            assert rule["JitterStrategy"] == "FULL"
            assert rule["BackoffRate"] > 1


def test_the_guides_step_names_are_the_state_names() -> None:
    assert TASKS.keys() >= {
        *("validate-account", "mark-syncing", "get-access-token", "sync-folders"),
        *("sync-folder", "recalculate-counts", "mark-complete"),
    }


def test_a_failed_sync_ends_in_a_fail_state_under_the_name_of_its_error() -> None:
    assert dict(states(catalog.MAILBOX_SYNC_WORKFLOW))["sync-failed"] == {
        "Type": "Fail",
        "ErrorPath": "$.error.Error",
        "CausePath": "$.error.Cause",
    }


@EVERY_TASK
def test_a_sample_event_is_what_its_state_sends(name: str, task: dict[str, Any]) -> None:
    sample = json.loads((SAMPLE_EVENT_FILES_FOLDER / f"{name}.json").read_text())

    sent = {key.removesuffix(".$") for key in payload(task)}
    # A person who invokes a function knows a folder and not the number of its feed.
    assert sample.keys() == {"folderId" if name == "feeds" else name for name in sent}


@EVERY_TASK
def test_a_state_reads_only_what_its_function_returns(name: str, task: dict[str, Any]) -> None:
    selected = task.get("ResultSelector", {}).values()

    members = {path.removeprefix("$.Payload.") for path in selected if isinstance(path, str)}
    assert members <= (EXPECTED_RESULT_BY_LAMBDA_NAME.get(name) or {}).keys()


def test_every_pause_that_a_function_returns_is_waited_for() -> None:
    """A function returns a pause instead of a failure only to a definition that has a Wait."""
    by_name = dict(states(catalog.MAILBOX_SYNC_WORKFLOW))
    pausing = {
        name
        for name, returned in EXPECTED_RESULT_BY_LAMBDA_NAME.items()
        if "waitSeconds" in (returned or {})
    }
    waits = {name: state for name, state in by_name.items() if state["Type"] == "Wait"}

    assert {state["Next"] for state in waits.values()} == pausing
    told = {name for name, state in by_name.items() if "canWait" in payload(state)}
    assert told == pausing - {"sync-folder"}, "which could wait in every release"
    for state in waits.values():
        results = by_name[state["Next"]]["ResultPath"]
        assert state["SecondsPath"] == f"{results}.waitSeconds"


def test_maps_run_in_this_execution_with_as_many_at_once_as_the_provider_takes() -> None:
    """Another mode has other limits: inline is 40 at once, and 25,000 events of history."""
    maps = [state for _, state in states(catalog.MAILBOX_SYNC_WORKFLOW) if state["Type"] == "Map"]

    assert len(maps) == 2
    for state in maps:
        assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "INLINE"}
        assert state["MaxConcurrencyPath"] == state["ItemSelector"]["atOnce.$"]
        assert "MaxConcurrency" not in state
        # The state may hold 256 KiB, and the results of thousands of folders are not needed.
        assert state["ResultPath"] is None


EVENTS = {"Task": 5, "Map": 4, "Choice": 2, "Wait": 2, "Pass": 2, "Succeed": 2, "Fail": 1}
"""In the history of an execution, for each visit of a state; an iteration of a Map has 2 more."""


def following(machine: dict[str, Any], name: str) -> set[str]:
    """The states after this one, but for those that end the execution or count their own events."""
    states = machine["States"]
    return {each for each in successors(states[name]) if states[each]["Type"] != "Task"}


def max_events(machine: dict[str, Any], name: str) -> int:
    """From the entry of a state until the next Task is entered."""
    events = EVENTS[machine["States"][name]["Type"]]
    return events + max((max_events(machine, each) for each in following(machine, name)), default=0)


def reached(machine: dict[str, Any], names: set[str]) -> set[str]:
    more = names.union(*(successors(machine["States"][each]) for each in names))
    return names if more == names else reached(machine, more)


def test_the_events_that_a_visit_counts_are_an_upper_bound() -> None:
    outer, *maps = machines(json.loads(catalog.MAILBOX_SYNC_WORKFLOW.asl_text))
    tasks = [
        (machine, name, state)
        for machine in (outer, *maps)
        for name, state in machine["States"].items()
        if state["Type"] == "Task"
    ]

    for machine, name, state in tasks:
        iteration = 0 if machine is outer else 2
        assert (
            max_events(machine, name) + iteration <= successor.MAX_HISTORY_EVENTS_PER_ENTERED_STATE
        )
        if name in reached(machine, successors(state)):
            assert payload(state)["retryCount.$"] == "$$.State.RetryCount", "it is counted"
        retries = sum(rule["MaxAttempts"] for rule in state["Retry"])
        choice, task = EVENTS["Choice"], EVENTS["Task"]
        assert (
            task + retries * successor.HISTORY_EVENTS_PER_STATE_RETRY + choice
            <= successor.MAX_HISTORY_EVENTS_OF_FAILED_STATE
        )
    of_first_states = 2 * EVENTS["Task"] + EVENTS["Choice"] + 1
    assert of_first_states <= 2 * successor.MAX_HISTORY_EVENTS_PER_ENTERED_STATE


def payload(state: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = state.get("Parameters", {}).get("Payload", {})
    return found
