"""Compute the status of each workflow state in a run, and the next event that the dashboard expects
in the run. Pure functions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboard.definition import State, StateGraph
from dashboard.history import Step, StepStatus
from dashboard.to_json import JsonObject

_BY_PRIORITY: tuple[StepStatus, ...] = (
    *("waiting", "running", "failed", "cancelled", "caught", "succeeded"),
)
_OPEN = ("queued", "running")


@dataclass(frozen=True, slots=True)
class ExpectedEvent:
    """The next event that the dashboard expects in a run or a mailbox.

    what: the description of the event, for people.
    at: expected time of the event; for a retry, the latest time. None: the time is unknown.
    """

    what: str
    at: datetime | None = None


def build_step_label(step: Step, folders: Mapping[int, str]) -> str:
    """Return the name of the step's state, such as `mark-syncing`. If the state is inside a
    Map and works on one folder, the folder's name follows, as in `sync-folder: Inbox`.

    folders: names of the folders by id.
    """
    if step.containing_map_name and step.folder_id is not None:
        return f"{step.name}: {folders.get(step.folder_id, step.folder_id)}"
    return step.name


def last_status_by_state(steps: Iterable[Step]) -> dict[str, StepStatus]:
    """Return the status of the last visit of each visited state, by the state's name.

    A state that was visited for several folders can have a different status for each folder. The
    function then returns the status that comes first in this order: waiting, running, failed,
    cancelled, caught, succeeded.
    """
    last = {(each.name, each.folder_id): each.status for each in steps}
    found: dict[str, StepStatus] = {}
    for (name, _), status in last.items():
        known = found.get(name, status)
        found[name] = min(known, status, key=_BY_PRIORITY.index)
    return found


def set_next_attempt_at_of_waiting_steps(steps: Iterable[Step], scope: StateGraph) -> None:
    """Set `next_attempt_at` in the last attempt of each step that waits for a retry.

    The value is the latest time at which the retry starts. It stays None if no retry follows.
    """
    known = {each.name: each for each in scope.iterate_states_and_states_in_maps()}
    for step in steps:
        state = known.get(step.name)
        if step.status == "waiting" and step.attempts and state:
            step.attempts[-1].next_attempt_at = _next_attempt_at(step, state)


def _next_attempt_at(step: Step, state: State) -> datetime | None:
    last = step.attempts[-1]
    retrier = state.find_retrier(last.error or "")
    if retrier is None or last.finished_at is None:
        return None
    retries = sum(state.find_retrier(each.error or "") is retrier for each in step.attempts)
    if retries > retrier.max_retries:
        return None
    return last.finished_at + timedelta(seconds=retrier.compute_max_wait_before_retry_s(retries))


def forecast_next_event_of_run(
    run: JsonObject, steps: Sequence[Step], scope: StateGraph, folders: Mapping[int, str]
) -> ExpectedEvent | None:
    """Return the next event that the dashboard expects in a run. Return None if it expects none.

    For an open run, the event is the next retry of a step or the next end of a Wait, whichever is
    first. If no step waits, the event is the end of the running states; if no state runs, it is the
    start of the execution. For a running run without steps, the result says that the execution is
    lost, or that one function does the run without an execution. For a closed run, the event is the
    next sync of the mailbox or, if no sync will start, what the user must do.
    """
    if run["status"] not in _OPEN:
        return _next_sync(run)
    if run["status"] == "running" and not steps:
        if not (run["executionArn"] or "").startswith("arn:"):
            return ExpectedEvent("The function sync-accounts stores the changes that it found.")
        return ExpectedEvent(
            "The execution was forgotten, as after a restart of the local stack; the schedule"
            " closes this run, and the next sync goes on from there."
        )
    pending = [*_retries(steps, folders), *_ends_of_waits(steps, scope, folders)]
    if pending:
        return min(pending, key=lambda each: each.at or run["createdAt"])
    working = [each for each in steps if each.status == "running" and each.type != "Map"]
    return _next_step(working, scope, folders)


def _retries(steps: Iterable[Step], folders: Mapping[int, str]) -> Iterator[ExpectedEvent]:
    for step in steps:
        at = step.attempts[-1].next_attempt_at if step.attempts else None
        if step.status == "waiting" and at:
            number = len(step.attempts) + 1
            yield ExpectedEvent(
                f"Attempt {number} of {build_step_label(step, folders)} begins then, or sooner.", at
            )


def _ends_of_waits(
    steps: Iterable[Step], scope: StateGraph, folders: Mapping[int, str]
) -> Iterator[ExpectedEvent]:
    """Yield the expected end of each Wait state that is running. The number of seconds to wait is
    in the state's input."""
    known = {each.name: each for each in scope.iterate_states_and_states_in_maps()}
    for step in steps:
        if step.status == "waiting" and step.type == "Wait" and step.name in known:
            seconds = _seconds(step.input, known[step.name].wait_seconds_input_path)
            if seconds is not None:
                at = step.started_at + timedelta(seconds=seconds)
                goes_on = "folder" if step.containing_map_name else "sync"
                yield ExpectedEvent(
                    f"{build_step_label(step, folders)} ends, and the {goes_on} goes on.", at
                )


def _seconds(state: Any, path: Sequence[str]) -> float | None:
    """Return the seconds that a Wait lasts, from its input; None when the history contains only
    part of the input or none of it."""
    for name in path:
        state = state.get(name) if isinstance(state, dict) else None
    return float(state) if path and isinstance(state, int | float) else None


def _next_step(
    working: Sequence[Step], scope: StateGraph, folders: Mapping[int, str]
) -> ExpectedEvent:
    if not working:
        return ExpectedEvent(
            "The execution is about to begin; the schedule starts it if it does not."
        )
    names = ", ".join(build_step_label(each, folders) for each in working[:4])
    known = {each.name: each for each in scope.iterate_states_and_states_in_maps()}
    ways = known[working[0].name].transitions if len(working) == 1 else ()
    then = "".join(f", then {way.target}" for way in ways if way.kind == "next")
    return ExpectedEvent(f"{names}{then}")


def _next_sync(run: JsonObject) -> ExpectedEvent | None:
    sentences = {
        "active": ExpectedEvent(
            "The next sync of this mailbox starts by itself.", run["nextSyncAt"]
        ),
        "paused": ExpectedEvent("The account is paused; nothing happens until it is resumed."),
        "reauth_required": ExpectedEvent(
            "The mail provider refuses access; connect the mailbox again."
        ),
    }
    return sentences.get(run["accountStatus"])
