"""The real state machine with functions that do as a scenario says, on either interpreter."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.catalog import FUNCTIONS, MAILBOX_SYNC_WORKFLOW
from localdev.engine.lambda_host import InvocationResult
from localdev.engine.names import function_name_from_arn_or_name
from tests.support.execution import Execution, StateFailed

# What each function returns when a scenario says nothing else.
USUAL: dict[str, Any] = {
    "validate-account": {"provider": "microsoft"},
    "mark-syncing": {"acquired": True, "epoch": 7, "runId": "run"},
    "get-access-token": {"waitSeconds": 0},
    "sync-folders": {"items": [], "atOnce": 4, "waitSeconds": 0, "cursorsUsed": 0, "fullSyncs": 0},
    "sync-folder": {
        **{"feeds": [], "hasMore": False, "waitSeconds": 0, "cursorsUsed": 0, "fullSyncs": 0},
        "resets": 0,
    },
    "folder-failed": {"feeds": [], "hasMore": False},
    "recalculate-counts": {
        **{"folderIds": [], "differing": 0, "failedFolders": 0, "hasNewFolders": False},
        **{"unverified": 0, "message": "", "handOver": False, "atOnce": 4, "waitSeconds": 0},
    },
    "repair-folder": {"waitSeconds": 0},
    "hand-over": {"successor": "run-2"},
    "mark-complete": {"proven": True},
}
OF_A_FEED = ("sync-folder", "reset-folder", "folder-failed")
NAMES = {f"${{{function.arn_placeholder_name_in_asl}}}": function.name for function in FUNCTIONS}
Outcome = Mapping[str, Any] | str
"""What differs from the usual result, or the name of the error that is raised."""
Outcomes = Mapping[str, Sequence[Outcome]]


@dataclass(frozen=True)
class Scenario:
    """`outcomes` lists those of a function call after call; the last one stays.

    Calls for several folders are distinguished by `name/folderId`, for feeds by `name/feed`.
    """

    name: str
    visits: set[str]
    outcomes: Outcomes = field(default_factory=dict)
    fails_as: str | None = None
    calls: Mapping[str, int] = field(default_factory=dict)


def items(*feeds: int, per_item: int = 1) -> dict[str, Any]:
    """What `sync-folders` returns for these feeds, each of the folder with its number."""
    parts = [feeds[start : start + per_item] for start in range(0, len(feeds), per_item)]
    return {"items": [{"feeds": [*part], "folders": [*part], "slice": None} for part in parts]}


def call_key(name: str, event: Any) -> str:
    """The name of a call with the folder, or the first feed, that it is for."""
    return f"{name}/{event['feeds'][0] if name in OF_A_FEED else event.get('folderId')}"


class ScriptedFunctions:
    """Answers the Invoke API; the account id of the payload is the name of the scenario."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self._scenarios = {each.name: each for each in scenarios}
        self.calls: dict[str, list[tuple[str, Any]]] = defaultdict(list)

    def invoke(self, function: str, payload: bytes) -> InvocationResult:
        outcome = self.outcome(function_name_from_arn_or_name(function), json.loads(payload))
        if isinstance(outcome, str):
            error = {"errorType": outcome, "errorMessage": f"{outcome} as scripted"}
            return InvocationResult(
                200, json.dumps(error).encode(), {"X-Amz-Function-Error": "Unhandled"}
            )
        return InvocationResult(200, json.dumps(outcome).encode(), {})

    invoke_asynchronously = invoke

    def outcome(self, name: str, event: Any) -> Outcome:
        scenario = self._scenarios[event.get("accountId") or event["input"]["accountId"]]
        own = call_key(name, event)
        key = own if own in scenario.outcomes else name
        earlier = sum(
            key in (called, call_key(called, sent)) for called, sent in self.calls[scenario.name]
        )
        self.calls[scenario.name].append((name, event))
        outcomes = scenario.outcomes.get(key, [{}])
        outcome = outcomes[min(earlier, len(outcomes) - 1)]
        if isinstance(outcome, str):
            return outcome
        if name == "reset-folder":
            return {"feeds": event["feeds"], "hasMore": True, "resets": event["resets"] + 1}
        resets = {"resets": event["resets"]} if name == "sync-folder" else {}
        return {**USUAL.get(name, {}), **resets, **outcome}


@dataclass(frozen=True)
class Trace:
    """One execution in this process: how it failed, whom it called, and the way that it took."""

    error: str | None
    calls: Sequence[str]
    transitions: Sequence[tuple[str, str | None]]

    @classmethod
    def of(cls, scenario: Scenario) -> "Trace":
        functions, transitions = ScriptedFunctions([scenario]), list[tuple[str, str | None]]()

        def invoke(placeholder: str, event: Any) -> Any:
            outcome = functions.outcome(NAMES[placeholder], event)
            if isinstance(outcome, str):
                raise StateFailed(outcome, f"{outcome} as scripted")
            return outcome

        execution = Execution(
            "run",
            "arn",
            invoke,
            list,
            left=lambda state, following: transitions.append((state, following)),
        )
        error = None
        try:
            execution.run(MAILBOX_SYNC_WORKFLOW.asl_text, {"accountId": scenario.name})
        except StateFailed as failure:
            error = failure.error
        return cls(error, [name for name, _ in functions.calls[scenario.name]], transitions)
