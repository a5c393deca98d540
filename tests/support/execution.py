"""One execution of a workflow inside this process: the definition itself, state by state.

It interprets what `mailbox_sync.asl.json` uses, so an execution here cannot drift from the one
on AWS. Only time is left out: a Wait passes at once and a retry comes at once. A Map takes its
items in an order that the caller chooses, one after another or as many at once as its definition
allows. Source: Amazon States Language.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mailsync.runs.step_functions import StepFunctions, execution_arn

Json = Any
Invoke = Callable[[str, Json], Json]
"""Calls the function of a placeholder; raises StateFailed when the function fails."""


class StateFailed(Exception):
    """A state failed under this name; uncaught, the execution does."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause


class StartedExecutions(StepFunctions):
    """Executions that a test runs itself. An iteration gives those that were started meanwhile,
    each with its input, until none is left. None of them is running."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._waiting: list[tuple[str, Json]] = []

    def forget(self) -> None:
        self.names.clear()
        self._waiting.clear()

    def start_execution(self, machine_arn: str, name: str, state: Json) -> str:
        if name not in self.names:
            self.names.append(name)
            self._waiting.append((name, state))
        return execution_arn(machine_arn, name)

    def find_execution_status(self, arn: str) -> None:
        return None

    def __iter__(self) -> Iterator[tuple[str, Json]]:
        while self._waiting:
            yield self._waiting.pop(0)


@dataclass(frozen=True)
class Execution:
    """`arrange` returns the items of a Map in the order in which they are begun.

    `at_once`: as many as its definition allows, so `invoke` is called by several threads. `waited`
    gets the seconds of each Wait, `left` each state that was left and the one that follows.
    `max_attempts` bounds those of the definition.
    """

    name: str
    arn: str
    invoke: Invoke
    arrange: Callable[[list[Json]], list[Json]]
    at_once: bool = False
    waited: Callable[[float], object] = lambda _: None
    left: Callable[[str, str | None], object] = lambda *_: None
    max_attempts: float = math.inf

    def run(self, definition: str, state_input: Json) -> Json:
        """The output. Raises StateFailed when the execution ends in a Fail."""
        context = {"Execution": {"Name": self.name, "Id": self.arn}}
        return self._run(json.loads(definition), state_input, context)

    def _run(self, machine: Json, data: Json, context: Json) -> Json:
        following: str | None = machine["StartAt"]
        while following is not None:
            name, state = following, machine["States"][following]
            if state["Type"] == "Fail":
                self.left(name, None)
                raise StateFailed(_at(state["ErrorPath"], data), _at(state["CausePath"], data))
            data, following = self._enter(state, data, context)
            self.left(name, following)
        return data

    def _enter(self, state: Json, data: Json, context: Json) -> tuple[Json, str | None]:
        kind = state["Type"]
        if kind == "Choice":
            chosen = (each["Next"] for each in state["Choices"] if _holds(each, data))
            return data, next(chosen, None) or state["Default"]
        if kind == "Succeed":
            return data, None
        if kind == "Wait":
            self.waited(_at(state["SecondsPath"], data))
            return data, state["Next"]
        work = {"Task": self._task, "Map": self._map, "Pass": self._pass}[kind]
        try:
            result = work(state, data, context)
        except StateFailed as failure:
            for catcher in state.get("Catch", ()):
                if _matches(catcher, failure):
                    error = {"Error": failure.error, "Cause": failure.cause}
                    return _placed(data, catcher["ResultPath"], error), catcher["Next"]
            raise
        return _placed(data, state.get("ResultPath", "$"), result), state.get("Next")

    def _task(self, state: Json, data: Json, context: Json) -> Json:
        tries: Counter[int] = Counter()
        while True:
            entered = {**context, "State": {"RetryCount": tries.total()}}
            asked = _filled(state["Parameters"], data, entered)
            try:
                answer = {"Payload": self.invoke(asked["FunctionName"], asked["Payload"])}
                return _filled(state.get("ResultSelector", answer), answer, context)
            except StateFailed as failure:
                retriers = enumerate(state.get("Retry", ()))
                found = next((each for each in retriers if _matches(each[1], failure)), None)
                if found is None:
                    raise
                if tries[found[0]] >= min(found[1]["MaxAttempts"], self.max_attempts):
                    raise
                tries[found[0]] += 1

    def _map(self, state: Json, data: Json, context: Json) -> Json:
        def iterate(item: Json) -> Json:
            inside = {**context, "Map": {"Item": {"Value": item}}}
            item_input = _filled(state["ItemSelector"], data, inside)
            return self._run(state["ItemProcessor"], item_input, context)

        items = self.arrange(_at(state["ItemsPath"], data))
        at_once = _most_at_once(state, data) or max(1, len(items))
        with ThreadPoolExecutor(at_once if self.at_once else 1) as workers:
            iterations = [workers.submit(iterate, item) for item in items]
            try:
                return [each.result() for each in iterations]
            except StateFailed:
                workers.shutdown(wait=False, cancel_futures=True)
                raise

    def _pass(self, state: Json, data: Json, context: Json) -> Json:
        return _filled(state["Parameters"], data, context)


def _most_at_once(state: Json, data: Json) -> int:
    """How many iterations a Map may have at a time; 0: no limit."""
    path = state.get("MaxConcurrencyPath")
    number = _at(path, data) if path else state.get("MaxConcurrency", 0)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise StateFailed("States.Runtime", f"MaxConcurrency is {number!r}, not 0 or more.")
    return number


def _matches(route: Json, failure: StateFailed) -> bool:
    return failure.error in route["ErrorEquals"] or "States.ALL" in route["ErrorEquals"]


def _holds(rule: Json, data: Json) -> bool:
    if "And" in rule:
        return all(_holds(each, data) for each in rule["And"])
    value = _at(rule["Variable"], data)
    if "BooleanEquals" in rule:
        return bool(value is rule["BooleanEquals"])
    if "NumericGreaterThan" in rule:
        return bool(value > rule["NumericGreaterThan"])
    return bool(value < rule["NumericLessThan"])


def _at(path: str, data: Json) -> Json:
    for name in path.split(".")[1:]:
        data = data[name]
    return data


def _filled(template: Json, data: Json, context: Json) -> Json:
    """The template with each `name.$` replaced by what its path leads to."""
    if not isinstance(template, dict):
        return template
    filled = {}
    for name, value in template.items():
        if name.endswith(".$"):
            of_context = value.startswith("$$.")
            filled[name[:-2]] = _at(value, context if of_context else data)
        else:
            filled[name] = _filled(value, data, context)
    return filled


def _placed(data: Json, path: str | None, result: Json) -> Json:
    """The state's data with the result at one of the paths `null`, `$` and `$.name`."""
    if path is None:
        return data
    return result if path == "$" else {**data, path.removeprefix("$."): result}
