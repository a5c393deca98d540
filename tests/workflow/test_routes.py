"""Every state and every route of `mailbox-sync`, taken by the local engine and in this process."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from infra.catalog import FUNCTIONS, MAILBOX_SYNC_WORKFLOW
from localdev.engine.aws_endpoint import AwsEndpoint
from localdev.engine.aws_resources import create_state_machines, make_aws_client, reset_moto_state
from tests.workflow.scripted import Scenario, ScriptedFunctions, Trace, call_key, items
from tests.workflow.test_definitions import machines, successors

BEGUN = {"validate-account", "mark-syncing", "lease-acquired?", "get-access-token"}
TREE = {*BEGUN, "token-had?", "sync-folders"}
READ = {*TREE, "folders-read?", "sync-each-folder"}
DONE = {*READ, "recalculate-counts", "anything-left?", "mark-complete"}
FOLDER = {"sync-folder", "more-pages?", "folder-done"}
REPAIRED = {"repair-folders", "repair-folder", "repaired?", "folder-repaired"}
FAILED = {"mark-failed", "sync-failed"}
ONE_FOLDER = {"sync-folders": [items(1)]}
MORE = {"hasMore": True}
PAUSE = {"waitSeconds": 1}
REPAIR = {"folderIds": [1], "differing": 1}
UNVERIFIED = {"unverified": 1, "message": "1 folders differ from the provider by 1 messages."}

SCENARIOS = [
    Scenario("nothing to page", DONE, calls={"sync-folder": 0}),
    Scenario(
        "two folders, three pages",
        DONE | FOLDER,
        {"sync-folders": [items(1, 2)], "sync-folder/2": [MORE | {"feeds": [2]}, {}]},
        calls={"sync-folder": 3},
    ),
    Scenario(
        "several feeds of an item, of which one fails and one expires",
        DONE | FOLDER | {"may-reset-folder?", "reset-folder", "folder-failed"},
        {
            "sync-folders": [items(1, 2, 3, per_item=3)],
            "sync-folder/1": [MORE | {"feeds": [2, 3]}],
            "sync-folder/2": ["ProviderRejected"],
            "folder-failed": [MORE | {"feeds": [3]}],
            "sync-folder/3": ["CursorExpired", {}],
        },
        calls={
            **{"sync-folder/1": 1, "sync-folder/2": 1, "folder-failed/2": 1},
            **{"sync-folder/3": 2, "reset-folder/3": 1},
        },
    ),
    Scenario(
        "the provider asks for a pause in every state",
        DONE
        | FOLDER
        | REPAIRED
        | {"wait-for-token", "wait-for-folders", "wait-for-counts", "wait-for-repair"}
        | {"honour-retry-after"},
        {
            "get-access-token": [PAUSE, {}],
            "sync-folders": [PAUSE, items(1)],
            "sync-folder": [MORE | PAUSE | {"feeds": [1]}, {}],
            "recalculate-counts": [PAUSE, REPAIR, {}],
            "repair-folder": [PAUSE, {}],
        },
        calls={
            **{"get-access-token": 2, "sync-folders": 2, "sync-folder": 2},
            **{"recalculate-counts": 3, "repair-folder": 2},
        },
    ),
    Scenario(
        "folders appear while others are read",
        DONE | FOLDER,
        {"sync-folders": [items(1), items(2)], "recalculate-counts": [{"hasNewFolders": True}, {}]},
        calls={"sync-folders": 2, "sync-folder/1": 1, "sync-folder/2": 1},
    ),
    Scenario(
        "the execution hands its run over",
        DONE - {"mark-complete"} | FOLDER | {"hand-over"},
        {**ONE_FOLDER, "sync-folder": [{"feeds": [1]}], "recalculate-counts": [{"handOver": True}]},
        calls={"sync-folder": 1, "hand-over": 1, "mark-complete": 0, "mark-failed": 0},
    ),
    Scenario(
        "the run cannot be handed over",
        DONE - {"mark-complete"} | {"hand-over"} | FAILED,
        {"recalculate-counts": [{"handOver": True}], "hand-over": ["LeaseLost"]},
        fails_as="LeaseLost",
        calls={"hand-over": 1},
    ),
    Scenario(
        "another execution is at work",
        {"validate-account", "mark-syncing", "lease-acquired?", "already-syncing"},
        {"mark-syncing": [{"acquired": False, "epoch": 0}]},
        calls={"get-access-token": 0, "mark-failed": 0},
    ),
    Scenario(
        "no such account",
        {"validate-account"} | FAILED,
        {"validate-account": ["AccountNotFound"]},
        fails_as="AccountNotFound",
        calls={"validate-account": 1, "mark-failed": 1},
    ),
    Scenario(
        "the grant is withdrawn before anything is read",
        BEGUN | FAILED,
        {"get-access-token": ["AccessRevoked"]},
        fails_as="AccessRevoked",
        calls={"get-access-token": 1},
    ),
    Scenario(
        "the grant is withdrawn while folders are read",
        READ | {"sync-folder", "mailbox-stopped"} | FAILED,
        {**ONE_FOLDER, "sync-folder": ["AccessRevoked"]},
        fails_as="AccessRevoked",
        calls={"sync-folder": 1, "folder-failed": 0},
    ),
    Scenario(
        "one folder fails, the other is synced, the run is not green",
        DONE - {"mark-complete"} | FOLDER | {"folder-failed", "some-folders-failed"} | FAILED,
        {
            "sync-folders": [items(1, 2)],
            "sync-folder/2": ["ProviderRejected"],
            "recalculate-counts": [{"failedFolders": 1}],
        },
        fails_as="FoldersFailed",
        calls={"sync-folder": 2, "folder-failed": 1, "mark-complete": 0},
    ),
    Scenario(
        "a cursor expires",
        DONE | FOLDER | {"may-reset-folder?", "reset-folder"},
        {**ONE_FOLDER, "sync-folder": ["CursorExpired", {}]},
        calls={"sync-folder": 2, "reset-folder": 1},
    ),
    Scenario(
        "a cursor that always expires is given up after two full syncs",
        DONE | FOLDER | {"may-reset-folder?", "reset-folder", "folder-failed"},
        {**ONE_FOLDER, "sync-folder": ["CursorExpired"]},
        calls={"sync-folder": 3, "reset-folder": 2, "folder-failed": 1},
    ),
    Scenario(
        "a full sync cannot be restarted",
        DONE | FOLDER | {"may-reset-folder?", "reset-folder", "folder-failed"},
        {**ONE_FOLDER, "sync-folder": ["CursorExpired"], "reset-folder": ["StoreRejected"]},
        calls={"folder-failed": 1},
    ),
    Scenario(
        "another execution takes the mailbox while a full sync is restarted",
        READ | {"sync-folder", "may-reset-folder?", "reset-folder", "mailbox-stopped"} | FAILED,
        {**ONE_FOLDER, "sync-folder": ["CursorExpired"], "reset-folder": ["LeaseLost"]},
        fails_as="LeaseLost",
    ),
    Scenario(
        "even the failure cannot be recorded",
        READ | {"sync-folder", "folder-failed", "mailbox-stopped"} | FAILED,
        {
            **ONE_FOLDER,
            "sync-folder": ["ProviderRejected"],
            "folder-failed": ["StoreRejected"],
            "mark-failed": ["StoreRejected"],
        },
        fails_as="StoreRejected",
        calls={"mark-failed": 1},
    ),
    Scenario(
        "a folder differs and is repaired",
        DONE | REPAIRED,
        {"recalculate-counts": [REPAIR, {}]},
        calls={"repair-folder": 1, "recalculate-counts": 2},
    ),
    Scenario(
        "a folder that cannot be compared does not stop the run",
        DONE | REPAIRED - {"repaired?"},
        {"recalculate-counts": [REPAIR, {}], "repair-folder": ["ProviderRejected"]},
    ),
    Scenario(
        "a folder that still differs is not green",
        DONE - {"mark-complete"} | REPAIRED | {"not-verified"} | FAILED,
        {"recalculate-counts": [REPAIR, UNVERIFIED]},
        fails_as="VerificationFailed",
        calls={"mark-complete": 0, "mark-failed": 1},
    ),
    Scenario(
        "the grant is withdrawn while a folder is repaired",
        DONE - {"mark-complete"} | {"repair-folders", "repair-folder", "repair-stopped"} | FAILED,
        {"recalculate-counts": [REPAIR], "repair-folder": ["AccessRevoked"]},
        fails_as="AccessRevoked",
    ),
    Scenario(
        "the folder tree cannot be read",
        TREE | FAILED,
        {"sync-folders": ["ProviderRejected"]},
        fails_as="ProviderRejected",
    ),
    Scenario(
        "the counts cannot be compared",
        DONE - {"anything-left?", "mark-complete"} | FAILED,
        {"recalculate-counts": ["ProviderRejected"]},
        fails_as="ProviderRejected",
    ),
    Scenario(
        "the run cannot be closed",
        DONE | FAILED,
        {"mark-complete": ["LeaseLost"]},
        fails_as="LeaseLost",
    ),
    Scenario(
        "the lease cannot be asked for",
        {"validate-account", "mark-syncing"} | FAILED,
        {"mark-syncing": ["SchemaOutdated"]},
        fails_as="SchemaOutdated",
    ),
]


@dataclass(frozen=True)
class Engine:
    functions: ScriptedFunctions
    client: Any
    machine_arn: str

    executions: Mapping[str, str]
    """The ARN of the execution of each scenario, by the scenario's name."""

    def outcome(self, scenario: str) -> tuple[str, str | None, set[str]]:
        """The status of the execution once it has ended, its error, and the states it entered."""
        arn = self.executions[scenario]
        found = self.ended(arn)
        history = self.client.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        entered = {
            event["stateEnteredEventDetails"]["name"]
            for event in history
            if "stateEnteredEventDetails" in event
        }
        return found["status"], found.get("error"), entered

    def ended(self, arn: str) -> Any:
        while (found := self.client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            time.sleep(0.05)
        return found


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """All scenarios are under way at once: some wait for seconds, and none knows of another."""
    functions = ScriptedFunctions(SCENARIOS)
    endpoint = AwsEndpoint(functions, port=0)
    reset_moto_state()
    arns = create_state_machines(endpoint.url, [MAILBOX_SYNC_WORKFLOW], FUNCTIONS, time_scale=0)
    client, machine = (
        make_aws_client("stepfunctions", endpoint.url),
        arns[MAILBOX_SYNC_WORKFLOW.name],
    )
    executions = {
        each.name: start(client, machine, each.name, accountId=each.name, syncType="manual")
        for each in SCENARIOS
    }
    yield Engine(functions, client, machine, executions)
    endpoint.stop()


def start(client: Any, machine: str, name: str, **state_input: str) -> str:
    """The ARN of a new execution."""
    started = client.start_execution(
        stateMachineArn=machine,
        name=name.replace(" ", "-").replace(",", ""),
        input=json.dumps(state_input),
    )
    return str(started["executionArn"])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_the_workflow_when(scenario: Scenario, engine: Engine) -> None:
    """In the engine and in this process alike."""
    status, error, entered = engine.outcome(scenario.name)
    trace = Trace.of(scenario)

    assert (status, error) == ("FAILED" if scenario.fails_as else "SUCCEEDED", scenario.fails_as)
    assert entered == scenario.visits == {state for state, _ in trace.transitions}
    assert trace.error == scenario.fails_as
    called = Counter(name for name, _ in engine.functions.calls[scenario.name])
    of_folders = Counter(
        call_key(name, event)
        for name, event in engine.functions.calls[scenario.name]
        if "folderId" in event or "feeds" in event
    )
    assert {name: (called | of_folders)[name] for name in scenario.calls} == scenario.calls


def test_the_scenarios_take_every_transition() -> None:
    taken = {step for each in SCENARIOS for step in Trace.of(each).transitions if step[1]}

    assert taken == {
        (name, following)
        for machine in machines(json.loads(MAILBOX_SYNC_WORKFLOW.asl_text))
        for name, state in machine["States"].items()
        for following in successors(state)
    }


def test_an_execution_started_by_hand_needs_nothing_but_the_account(engine: Engine) -> None:
    arn = start(engine.client, engine.machine_arn, "by-hand", accountId=SCENARIOS[0].name)

    assert engine.ended(arn)["status"] == "SUCCEEDED"
