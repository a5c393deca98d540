"""Convert the history events of an execution to its steps (visits of states), each with its
attempts. Pure functions.

Every history event names the event before it on the same branch (`previousEventId`). So the
iterations of a Map can be told apart, although their events are interleaved.
Source: AWS Step Functions API Reference, HistoryEvent.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

StepStatus = Literal["running", "succeeded", "failed", "waiting", "caught", "cancelled"]

_ATTEMPT_BEGINS = frozenset({"TaskScheduled"})
_ATTEMPT_FAILS = frozenset({"TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed"})
_EXECUTION_ENDS = frozenset(
    {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}
)
HistoryEvent = Mapping[str, Any]


@dataclass(slots=True)
class TaskStateAttempt:
    """One attempt of a step to run its task.

    next_attempt_at: time at which the retry after this attempt started, or the latest time at which
        it starts. None: no retry follows.
    """

    number: int
    started_at: datetime
    finished_at: datetime | None = None
    error: str | None = None
    cause: str | None = None
    next_attempt_at: datetime | None = None


@dataclass(slots=True)
class Step:
    """One visit of a state in an execution; `input` and `output` are JSON values.

    containing_map_name: the name of the Map that contains the state; None outside Maps.
    folder_id: the folder on which the state works. None: the input names no folder.
    status: `caught` means that the step failed and the workflow continued by a Catch; `waiting`
        means that the step waits for its next attempt, or for the end of a Wait.
    """

    id: int
    name: str
    type: str
    started_at: datetime
    input: Any
    containing_map_name: str | None = None
    folder_id: int | None = None
    status: StepStatus = "running"
    finished_at: datetime | None = None
    output: Any = None
    error: str | None = None
    cause: str | None = None
    attempts: list[TaskStateAttempt] = field(default_factory=list)


@dataclass(slots=True)
class _Reader:
    """Collects the steps of an execution from its history events, one event at a time.

    owner: the step to which each event belongs, by the event's id.
    frame: the step of the Map in which each event happened, by the event's id; None outside Maps.
    """

    steps: list[Step] = field(default_factory=list)
    owner: dict[int, Step] = field(default_factory=dict)
    frame: dict[int, Step | None] = field(default_factory=dict)

    def read(self, event: HistoryEvent) -> None:
        number, kind = event["id"], str(event["type"])
        before, around = (each.get(event["previousEventId"]) for each in (self.owner, self.frame))
        details = _details(event)
        if kind.endswith("StateEntered"):
            self._enter(event, kind.removesuffix("StateEntered"), details)
        elif kind.startswith("MapIteration"):
            # Events after the start of an iteration are inside the Map. The end of an iteration,
            # and the events after it, are where the Map itself is.
            step = self._entered(details["name"])
            self.owner[number] = step
            self.frame[number] = step if kind.endswith("Started") else self.frame[step.id]
        elif before:
            step = (
                self._entered(details["name"])
                if kind.endswith("StateExited") and before.name != details["name"]
                else before
            )
            self.owner[number], self.frame[number] = step, around
            _apply(step, event, kind, details)

    def _entered(self, name: str) -> Step:
        """Return the newest step that visits the state with this name."""
        return next(each for each in reversed(self.steps) if each.name == name)

    def _enter(self, event: HistoryEvent, kind: str, details: Mapping[str, Any]) -> None:
        around = self.frame.get(event["previousEventId"])
        given = _value(details.get("input"))
        step = Step(
            id=event["id"],
            name=details["name"],
            type=kind,
            started_at=event["timestamp"],
            input=given,
            containing_map_name=around.name if around else None,
            folder_id=_folder_id(given) if isinstance(given, dict) else None,
        )
        if kind == "Wait":
            step.status = "waiting"
        if kind == "Fail":
            _fail(step, event["timestamp"], given)
        self.steps.append(step)
        self.owner[event["id"]] = step
        self.frame[event["id"]] = around


def _folder_id(given: Mapping[str, Any]) -> int | None:
    """Return the id of the folder on which a state inside a Map works, from the state's input.
    Return None if the input names no folder: the feed covers the whole mailbox, or the mailbox has
    so many feeds that the input contains no folder ids.

    The input contains either one `folderId`, or the list `folders` with the folders of several
    feeds, in the order in which the feeds are read. `page.feeds` lists the feeds that are not yet
    up to date; the state works on the folder of the first of them.
    """
    folders: list[int] = given.get("folders", [])
    left = given.get("page", {}).get("feeds", [])
    if folders:
        return folders[-len(left)] if left else folders[-1]
    named: int | None = given.get("folderId")
    return named


def steps_of_execution_history(events: Iterable[HistoryEvent]) -> list[Step]:
    """Return the steps of an execution, in the order in which the steps started.

    The argument is the complete history of the execution. A step that was running when the
    execution ended gets no error. Its status is `cancelled` if the execution was aborted, else
    `failed`.
    """
    reader = _Reader()
    for event in events:
        if event["type"] in _EXECUTION_ENDS:
            _end(reader.steps, event)
        elif event["type"] != "ExecutionStarted":
            reader.read(event)
    return reader.steps


def _apply(step: Step, event: HistoryEvent, kind: str, details: Mapping[str, Any]) -> None:
    """Update the step to which a history event belongs."""
    at = event["timestamp"]
    if kind in _ATTEMPT_BEGINS:
        if step.attempts:
            step.attempts[-1].next_attempt_at = at
        step.attempts.append(TaskStateAttempt(len(step.attempts) + 1, at))
        step.status = "running"
    elif kind in _ATTEMPT_FAILS or kind == "MapStateFailed":
        step.error = details.get("error", step.error)
        step.cause = error_message_of_cause(details.get("cause"))
        step.status = "waiting"
        if step.attempts:
            last = step.attempts[-1]
            last.finished_at, last.error, last.cause = at, step.error, step.cause
    elif kind == "TaskSucceeded":
        step.status, step.error, step.cause = "succeeded", None, None
        if step.attempts:
            step.attempts[-1].finished_at = at
    elif kind.endswith("StateExited"):
        step.finished_at, step.output = at, _value(details.get("output"))
        step.status = "caught" if step.error else "succeeded"


def _fail(step: Step, at: datetime, given: Any) -> None:
    """End the step of a Fail state, which has no exit event, with the error in its input."""
    failure = given.get("error") if isinstance(given, dict) else None
    step.status, step.finished_at = "failed", at
    if isinstance(failure, dict):
        step.error, step.cause = failure.get("Error"), error_message_of_cause(failure.get("Cause"))


def _end(steps: Iterable[Step], event: HistoryEvent) -> None:
    is_aborted = event["type"] == "ExecutionAborted"
    for step in steps:
        if step.finished_at is None:
            step.status = "cancelled" if is_aborted else "failed"
            step.finished_at = event["timestamp"]
            step.cause = step.cause or "The execution ended before this step did."


def _details(event: HistoryEvent) -> Mapping[str, Any]:
    return next(
        (value for name, value in event.items() if name.endswith("EventDetails") and value), {}
    )


def _value(text: str | None) -> Any:
    """Parse the text as JSON; if Step Functions has truncated the text, return it unchanged."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def error_message_of_cause(cause: str | None) -> str | None:
    """Return the error message from the cause of a failed execution.

    If the cause is the JSON of a Lambda error, return the error's message, or the error's type if
    the message is empty. Return any other cause unchanged.
    """
    document = _value(cause)
    if not isinstance(document, dict):
        return cause
    return str(document.get("errorMessage") or document.get("errorType") or cause)
