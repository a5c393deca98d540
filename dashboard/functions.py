"""What is deployed, for the functions view: workflows with their pictures, functions. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dashboard.definition import Scope
from dashboard.picture import Edge, draw
from infra.catalog import (
    AUTHORIZER,
    BATCH_FUNCTION,
    EVENT_RULES,
    FUNCTIONS,
    PUBLISHER_FUNCTION,
    ROUTES,
    RUN_CLOSER_FUNCTION,
    SCHEDULES,
    WORKFLOWS,
    Function,
)

_PURPOSES = {
    "mailbox-sync": "Mirrors one mailbox and verifies that nothing is missing.",
    "test-sync": "The self-test: three steps, nothing of a mailbox is touched.",
}
_TRIGGERS = {
    "mailbox-sync": (
        "POST /api/email/sync",
        "event email/microsoft.sync",
        "a mailbox was connected",
        "a mailbox is due and has more than a little new",
    ),
    "test-sync": ("GET /api/test-sync", "event test/sync"),
}
_CALLED_WHEN = {
    RUN_CLOSER_FUNCTION: "an execution ended without closing its run",
    PUBLISHER_FUNCTION: "an execution closed its run",
    BATCH_FUNCTION: "mailboxes are due",
    AUTHORIZER.name: "every route that is not public",
}


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Waits between `interval_s` and `max_delay_s`, where there is such a limit."""

    errors: tuple[str, ...]
    attempts: int
    interval_s: float
    max_delay_s: float | None


@dataclass(frozen=True, slots=True)
class FunctionView:
    name: str
    purpose: str
    trigger: str
    timeout_s: int
    memory_mb: int


def workflow_view(name: str, scope: Scope) -> dict[str, Any]:
    return {
        "name": name,
        "purpose": _PURPOSES[name],
        "triggers": _TRIGGERS[name],
        "retries": _retries(scope),
        "picture": picture_view(scope),
    }


def picture_view(scope: Scope) -> dict[str, Any]:
    picture = draw(scope)
    return {
        "width": picture.width,
        "height": picture.height,
        "nodes": picture.nodes,
        "edges": [_edge(each) for each in picture.edges],
    }


def function_views() -> list[FunctionView]:
    return [
        FunctionView(each.name, each.purpose, _trigger(each), each.timeout_s, each.memory_mb)
        for each in FUNCTIONS
    ]


def _retries(scope: Scope) -> list[RetryRule]:
    """Each rule once, although most states have the same ones; errors that end a step left out."""
    rules = {
        RetryRule(each.errors, each.attempts, each.interval_s, each.max_delay_s): None
        for state in scope.all_states()
        for each in state.retriers
        if each.attempts
    }
    return list(rules)


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "from": edge.source,
        "to": edge.target,
        "points": edge.points,
        "label": edge.label,
        "kind": edge.kind,
    }


def _trigger(function: Function) -> str:
    return ", ".join(_triggers(function)) or "deployment"


def _triggers(function: Function) -> Iterator[str]:
    yield from (
        f"workflow {each.name}" for each in WORKFLOWS if function.placeholder in each.definition
    )
    yield from (each.key for each in ROUTES if each.function == function.name)
    for schedule in SCHEDULES:
        if schedule.function == function.name:
            yield f"every {schedule.every_minutes} min"
    for rule in EVENT_RULES:
        if rule.function == function.name:
            yield f"events {', '.join(rule.detail_types)}"
    if function.name in _CALLED_WHEN:
        yield _CALLED_WHEN[function.name]
