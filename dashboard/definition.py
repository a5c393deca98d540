"""Parse the definition of a state machine into states, transitions between them, and retry rules.

Source: Amazon States Language specification, https://states-language.net.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

TransitionKind = Literal["next", "default", "choice", "catch"]

_SIGNS = {
    "Equals": "=",
    "LessThan": "<",
    "LessThanEquals": "≤",
    "GreaterThan": ">",
    "GreaterThanEquals": "≥",
}


@dataclass(frozen=True, slots=True)
class Transition:
    """A transition from the state `source` to the state `target` of one StateGraph.

    label: when the workflow takes the transition, such as a condition or error names.
    """

    source: str
    target: str
    kind: TransitionKind
    label: str = ""


@dataclass(frozen=True, slots=True)
class Retrier:
    """A retry rule of a state (a retrier of the Amazon States Language).

    errors: names of the errors after which the state is retried.
    max_retries: maximum number of retries. The first attempt does not count.
    interval_s: wait before the first retry, in seconds.
    backoff_factor: factor by which each later wait is longer than the wait before it.
    max_delay_s: upper limit of a wait, in seconds. None: no limit.

    If the rule has jitter, Step Functions waits a random part of the computed time.
    """

    errors: tuple[str, ...]
    max_retries: int
    interval_s: float
    backoff_factor: float
    max_delay_s: float | None

    def compute_max_wait_before_retry_s(self, retry: int) -> float:
        """Return the longest possible wait, in seconds, before the retry with number `retry` (the
        first is 1)."""
        wait_s = float(self.interval_s * self.backoff_factor ** (retry - 1))
        return wait_s if self.max_delay_s is None else min(wait_s, self.max_delay_s)


@dataclass(frozen=True, slots=True)
class State:
    """A state of a state machine.

    type: type in the Amazon States Language, such as Task, Map or Wait.
    transitions: transitions that leave the state.
    states_inside_map: the states inside a Map. None: the state is no Map.
    wait_seconds_input_path: member names, outermost first, that lead to the number of seconds in
        the input of a Wait (`SecondsPath`). Empty for a Wait of fixed length and for other states.
    """

    name: str
    type: str
    transitions: tuple[Transition, ...]
    retriers: tuple[Retrier, ...]
    states_inside_map: "StateGraph | None" = None
    wait_seconds_input_path: tuple[str, ...] = ()

    def find_retrier(self, error: str) -> Retrier | None:
        """Return the first retry rule of the state that applies to this error. Return None if no
        rule applies."""
        for retrier in self.retriers:
            if error in retrier.errors or "States.ALL" in retrier.errors:
                return retrier
        return None


@dataclass(frozen=True, slots=True)
class StateGraph:
    """The states and transitions of a state machine, or the states and transitions inside one Map.

    start_state: name of the state in which the workflow starts.
    states: all states, in the order of the definition, without the states inside Maps.
    """

    start_state: str
    states: tuple[State, ...]

    def iterate_states_and_states_in_maps(self) -> Iterator[State]:
        """Yield all states of the graph, including the states inside Maps. Each Map comes before
        the states inside the Map."""
        for state in self.states:
            yield state
            if state.states_inside_map:
                yield from state.states_inside_map.iterate_states_and_states_in_maps()


def parse_state_machine(text: str) -> StateGraph:
    """Parse a definition in the Amazon States Language; return its StateGraph.

    Raises ValueError when the text is not JSON, KeyError when it does not define a state machine.
    """
    return _scope(json.loads(text))


def _scope(document: Mapping[str, Any]) -> StateGraph:
    states = tuple(_state(name, body) for name, body in document["States"].items())
    return StateGraph(document["StartAt"], states)


def _state(name: str, body: Mapping[str, Any]) -> State:
    inner = body.get("ItemProcessor")
    return State(
        name=name,
        type=body["Type"],
        transitions=tuple(_ways(name, body)),
        retriers=tuple(_retrier(each) for each in body.get("Retry", ())),
        states_inside_map=_scope(inner) if inner else None,
        wait_seconds_input_path=tuple(body.get("SecondsPath", "$").split(".")[1:]),
    )


def _ways(name: str, body: Mapping[str, Any]) -> Iterator[Transition]:
    if "Next" in body:
        yield Transition(name, body["Next"], "next")
    for choice in body.get("Choices", ()):
        yield Transition(name, choice["Next"], "choice", _condition(choice))
    if "Default" in body:
        yield Transition(name, body["Default"], "default", "otherwise")
    for catcher in body.get("Catch", ()):
        yield Transition(name, catcher["Next"], "catch", _errors(catcher["ErrorEquals"]))


def _errors(names: list[str]) -> str:
    return "any other error" if names == ["States.ALL"] else ", ".join(names)


def _condition(rule: Mapping[str, Any]) -> str:
    for word in ("And", "Or"):
        if word in rule:
            return f" {word.lower()} ".join(_condition(each) for each in rule[word])
    if "Not" in rule:
        return f"not ({_condition(rule['Not'])})"
    subject = rule["Variable"].removeprefix("$.")
    operator, value = next(
        (key, value) for key, value in rule.items() if key not in ("Variable", "Next", "Comment")
    )
    return _comparison(subject, operator, value)


def _comparison(subject: str, operator: str, value: Any) -> str:
    if operator == "BooleanEquals":
        return subject if value else f"not {subject}"
    for kind in ("Numeric", "String", "Timestamp"):
        sign = _SIGNS.get(operator.removeprefix(kind))
        if operator.startswith(kind) and sign:
            return f"{subject} {sign} {value}"
    return f"{subject} {operator} {value}"


def _retrier(document: Mapping[str, Any]) -> Retrier:
    return Retrier(
        errors=tuple(document["ErrorEquals"]),
        max_retries=document.get("MaxAttempts", 3),
        interval_s=document.get("IntervalSeconds", 1),
        backoff_factor=document.get("BackoffRate", 2),
        max_delay_s=document.get("MaxDelaySeconds"),
    )
