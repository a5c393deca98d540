"""Build the JSON for the page that shows each workflow as a picture and lists all Lambda functions.

The functions of this module are pure.
"""

from collections.abc import Iterator

from dashboard.definition import Retrier, StateGraph
from dashboard.picture import draw_state_machine
from dashboard.to_json import JsonObject
from infra.catalog import (
    AUTHORIZER_FUNCTION,
    EVENT_RULES,
    FUNCTIONS,
    MAILBOX_CHECK_FUNCTION_NAME,
    OUTBOX_PUBLISHER_FUNCTION_NAME,
    ROUTES,
    RUN_CLOSER_FUNCTION_NAME,
    SCHEDULES,
    WORKFLOWS,
    Function,
)
from mailsync.registry import implemented_providers

_PURPOSES = {
    "mailbox-sync": "Mirrors one mailbox and verifies that nothing is missing.",
    "test-sync": "The self-test: three steps, nothing of a mailbox is touched.",
}
_TRIGGERS = {
    "mailbox-sync": (
        "POST /api/email/sync",
        *(f"event {each.sync_request_event_type}" for each in implemented_providers()),
        "a mailbox was connected",
        "a mailbox is due and has more than a little new",
    ),
    "test-sync": ("GET /api/test-sync", "event test/sync"),
}
_CALLED_WHEN = {
    RUN_CLOSER_FUNCTION_NAME: "an execution ended without closing its run",
    OUTBOX_PUBLISHER_FUNCTION_NAME: "an execution closed its run",
    MAILBOX_CHECK_FUNCTION_NAME: "mailboxes are due",
    AUTHORIZER_FUNCTION.name: "every route that is not public",
}


def workflow_entry_json(name: str, scope: StateGraph) -> JsonObject:
    return {
        "name": name,
        "purpose": _PURPOSES[name],
        "triggers": _TRIGGERS[name],
        "retries": _retries(scope),
        "picture": draw_state_machine(scope),
    }


def functions_json() -> list[JsonObject]:
    return [
        {
            "name": each.name,
            "purpose": each.purpose,
            "trigger": ", ".join(_triggers(each)) or "deployment",
            "timeoutS": each.timeout_s,
            "memoryMb": each.memory_mb,
        }
        for each in FUNCTIONS
    ]


def _retries(scope: StateGraph) -> list[Retrier]:
    """Return the different retry rules of the workflow, each once, in the order of the definition.

    A rule with 0 retries is left out: its errors are never retried.
    """
    rules = (
        each
        for state in scope.iterate_states_and_states_in_maps()
        for each in state.retriers
        if each.max_retries
    )
    return list(dict.fromkeys(rules))


def _triggers(function: Function) -> Iterator[str]:
    yield from (
        f"workflow {each.name}"
        for each in WORKFLOWS
        if function.arn_placeholder_name_in_asl in each.asl_text
    )
    yield from (each.route_key for each in ROUTES if each.function_name == function.name)
    for schedule in SCHEDULES:
        if schedule.function_name == function.name:
            yield f"every {schedule.interval_minutes} min"
    for rule in EVENT_RULES:
        if rule.function_name == function.name:
            yield f"events {', '.join(rule.detail_types)}"
    if function.name in _CALLED_WHEN:
        yield _CALLED_WHEN[function.name]
