"""Steps, attempts and what comes next, from histories of real executions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.definition import StateGraph
from dashboard.forecast import (
    build_step_label,
    forecast_next_event_of_run,
    last_status_by_state,
    set_next_attempt_at_of_waiting_steps,
)
from dashboard.history import Step, steps_of_execution_history
from tests.local.dashboard.conftest import Events

Recorded = Callable[[str], Events]
FOLDERS = {9: "Archive", 10: "Inbox"}
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
A_RUN = {"status": "running", "createdAt": NOW, "accountStatus": "active", "nextSyncAt": NOW}
A_RUN |= {"executionArn": "arn:aws:states:eu-west-1:123456789012:execution:mailbox-sync:r1"}


def until(events: Events, kind: str, nth: int) -> Events:
    """The history as it stood when the nth event of that kind had just happened."""
    places = [number for number, each in enumerate(events) if each["type"] == kind]
    return events[: places[nth - 1] + 1]


def of_folder(steps: list[Step], folder_id: int, name: str = "sync-folder") -> list[Step]:
    return [each for each in steps if (each.folder_id, each.name) == (folder_id, name)]


def test_the_mixed_events_of_folders_become_the_steps_of_each(recorded: Recorded) -> None:
    steps = steps_of_execution_history(recorded("network_cut"))

    assert [build_step_label(each, FOLDERS) for each in steps[:5]] == [
        *("validate-account", "mark-syncing", "lease-acquired?", "get-access-token"),
        "sync-folders",
    ]
    inside = [
        each.name
        for each in steps
        if each.containing_map_name == "sync-each-folder" and each.folder_id == 9
    ]
    assert inside == [
        *("sync-folder", "more-pages?", "honour-retry-after"),
        *("sync-folder", "more-pages?", "folder-done"),
    ]
    assert {build_step_label(each, FOLDERS) for each in steps if each.name == "sync-folder"} == {
        "sync-folder: Inbox",
        "sync-folder: Archive",
    }
    assert [each.containing_map_name for each in steps if each.name == "mark-complete"] == [None]


def test_each_attempt_shows_its_error_and_how_long_the_next_one_waited(recorded: Recorded) -> None:
    step = of_folder(steps_of_execution_history(recorded("network_cut")), 10)[-1]

    assert [each.error for each in step.attempts] == [*["ProviderUnavailable"] * 3, None]
    assert step.attempts[0].cause == "Microsoft Graph sent no whole answer; trying again."
    for before, after in zip(step.attempts, step.attempts[1:], strict=False):
        assert before.next_attempt_at == after.started_at
        assert before.finished_at is not None
        assert before.finished_at < after.started_at
    assert (step.status, step.error, step.output["page"]["hasMore"]) == ("succeeded", None, False)


def test_a_step_that_waits_for_a_retry_says_until_when_at_most(
    recorded: Recorded, scope: StateGraph
) -> None:
    steps = steps_of_execution_history(until(recorded("network_cut"), "TaskFailed", 4))
    set_next_attempt_at_of_waiting_steps(steps, scope)

    waiting = [each for each in steps if each.status == "waiting"]
    assert {each.name for each in waiting} == {"sync-folder"}
    for step in waiting:
        last = step.attempts[-1]
        assert last.finished_at is not None
        longest = timedelta(seconds=5 * 2 ** (len(step.attempts) - 1))
        assert last.next_attempt_at == last.finished_at + longest
    assert last_status_by_state(steps)["sync-folder"] == "waiting"
    forecast = forecast_next_event_of_run(A_RUN, steps, scope, FOLDERS)
    assert forecast is not None
    assert forecast.at == min(each.attempts[-1].next_attempt_at or NOW for each in waiting)
    assert "of sync-folder: " in forecast.what


def test_the_last_of_all_attempts_is_not_said_to_be_followed_by_another(
    recorded: Recorded, scope: StateGraph
) -> None:
    steps = steps_of_execution_history(until(recorded("network_cut"), "TaskFailed", 4))
    (step, *_) = [each for each in steps if each.status == "waiting"]
    expected = []
    for attempts in (15, 16):
        step.attempts = [replace(step.attempts[-1]) for _ in range(attempts)]
        set_next_attempt_at_of_waiting_steps([step], scope)
        expected.append(step.attempts[-1].next_attempt_at is not None)

    assert expected == [True, False]


def test_a_wait_that_the_provider_asked_for_is_told_with_its_end(
    recorded: Recorded, scope: StateGraph
) -> None:
    steps = steps_of_execution_history(until(recorded("network_cut"), "WaitStateEntered", 2))
    (first, second) = [each for each in steps if each.type == "Wait"]

    assert last_status_by_state(steps)["honour-retry-after"] == "waiting"
    forecast = forecast_next_event_of_run(A_RUN, steps, scope, FOLDERS)
    assert forecast is not None
    assert forecast.at == first.started_at + timedelta(seconds=first.input["page"]["waitSeconds"])
    assert second.started_at >= first.started_at


WAITS = {
    "wait-for-token": "token",
    "wait-for-folders": "work",
    "honour-retry-after": "page",
    "wait-for-counts": "verification",
    "wait-for-repair": "repair",
}
"""Where the state before each has put how long it is."""


def test_every_wait_of_the_workflow_is_told_with_its_end(scope: StateGraph) -> None:
    assert {
        each.name for each in scope.iterate_states_and_states_in_maps() if each.type == "Wait"
    } == WAITS.keys()

    for name, result in WAITS.items():
        state = {result: {"waitSeconds": 30}}
        forecast = forecast_next_event_of_run(
            A_RUN, [Step(1, name, "Wait", NOW, state, status="waiting")], scope, FOLDERS
        )
        assert forecast is not None
        assert (forecast.at, forecast.what.split()[0]) == (NOW + timedelta(seconds=30), name)


def test_a_caught_error_is_told_apart_from_the_failure_of_the_run(recorded: Recorded) -> None:
    steps = steps_of_execution_history(recorded("folders_failed"))

    caught = of_folder(steps, 10)
    assert [(each.status, each.error) for each in caught] == [
        ("caught", "CursorExpired"),
        ("caught", "ProviderRejected"),
    ]
    assert (steps[-1].name, steps[-1].status, steps[-1].error) == (
        *("sync-failed", "failed", "FoldersFailed"),
    )
    assert last_status_by_state(steps)["sync-folder"] == "caught"
    assert last_status_by_state(steps)["folder-failed"] == "succeeded"


def test_a_stopped_execution_leaves_no_step_under_way(recorded: Recorded) -> None:
    running = until(recorded("network_cut"), "TaskFailed", 1)
    end = {"id": 999, "previousEventId": 0, "type": "ExecutionAborted", "timestamp": NOW}

    steps = steps_of_execution_history([*running, end])

    assert {each.status for each in steps} == {"succeeded", "cancelled"}
    assert all(each.finished_at for each in steps)


@pytest.mark.parametrize(("arn", "what"), [(A_RUN["executionArn"], "forgotten"), ("c1", "stores")])
def test_a_run_without_steps_is_lost_or_the_work_of_one_function(
    scope: StateGraph, arn: str, what: str
) -> None:
    forecast = forecast_next_event_of_run({**A_RUN, "executionArn": arn}, [], scope, FOLDERS)

    assert forecast is not None
    assert what in forecast.what


@pytest.mark.parametrize(
    ("status", "what"),
    [
        ("active", "The next sync of this mailbox starts by itself."),
        ("paused", "The account is paused; nothing happens until it is resumed."),
        ("reauth_required", "The mail provider refuses access; connect the mailbox again."),
    ],
)
def test_a_closed_run_tells_what_its_mailbox_waits_for(
    recorded: Recorded, scope: StateGraph, status: str, what: str
) -> None:
    closed = {**A_RUN, "status": "failed", "accountStatus": status}

    forecast = forecast_next_event_of_run(
        closed, steps_of_execution_history(recorded("network_cut")), scope, FOLDERS
    )

    assert forecast is not None
    assert (forecast.what, forecast.at) == (what, NOW if status == "active" else None)
