"""The real state machine on the local engine, with functions that do as a scenario says."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localdev.engine.lambda_host import Answer
from localdev.engine.names import function_name

# What each function returns when a scenario says nothing else.
USUAL: dict[str, Any] = {
    "validate-account": {"provider": "microsoft"},
    "mark-syncing": {"acquired": True, "epoch": 7},
    "sync-folders": {"folderIds": []},
    "sync-folder": {"hasMore": False, "waitSeconds": 0},
    "recalculate-counts": {"folderIds": [], "differing": 0, "failedFolders": 0},
    "mark-complete": {"proven": True},
}
Outcome = Mapping[str, Any] | str
"""A result, or the name of the error that is raised."""


@dataclass(frozen=True)
class Scenario:
    """`says` lists the outcomes of a function call after call; the last one stays.

    A function that serves several folders may be told apart by `name/folderId`.
    """

    name: str
    visits: set[str]
    says: Mapping[str, Sequence[Outcome]] = field(default_factory=dict)
    fails_as: str | None = None
    calls: Mapping[str, int] = field(default_factory=dict)


class ScriptedFunctions:
    """Answers the Invoke API; the account id of the payload is the name of the scenario."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self._scenarios = {each.name: each for each in scenarios}
        self.calls: dict[str, list[tuple[str, Any]]] = defaultdict(list)

    def invoke(self, function: str, payload: bytes) -> Answer:
        name, event = function_name(function), json.loads(payload)
        scenario = self._scenarios[event.get("accountId") or event["input"]["accountId"]]
        folder = f"{name}/{event.get('folderId')}"
        key = folder if folder in scenario.says else name
        earlier = sum(
            key in (called, f"{called}/{sent.get('folderId')}")
            for called, sent in self.calls[scenario.name]
        )
        self.calls[scenario.name].append((name, event))
        outcomes = scenario.says.get(key)
        outcome = outcomes[min(earlier, len(outcomes) - 1)] if outcomes else USUAL.get(name, {})
        if isinstance(outcome, str):
            error = {"errorType": outcome, "errorMessage": f"{outcome} as scripted"}
            return Answer(200, json.dumps(error).encode(), {"X-Amz-Function-Error": "Unhandled"})
        if name == "reset-folder":
            outcome = {"resets": event["resets"] + 1}
        return Answer(200, json.dumps(outcome).encode(), {})

    invoke_later = invoke
