"""A run that was handed over: requests, the schedule and the end of an execution find the current
one."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from handlers.close_run import handler as close_run
from handlers.mark_failed import handler as mark_failed
from mailsync.errors import StoreUnavailable
from mailsync.model import AccountId, RunId, RunRef, SyncType, SyncTypeAndFolders
from mailsync.runs.step_functions import StepFunctions
from mailsync.runs.trigger import create_sync_starter
from mailsync.store.connection import Database, open_database
from mailsync.store.lease_store import LeaseStore
from mailsync.store.run_store import RunStore
from mailsync.store.successor_store import SuccessorStore
from tests.api.requests import Api, Sql, sample
from tests.api.syncs import STOP, executions, kill_execution, start
from tests.support.functions import lambda_context

RUN = "SELECT status, error FROM mailsync.sync_runs"
SILENT = "UPDATE mailsync.sync_runs SET heartbeat_at = now() - interval '2 minutes'"


@pytest.fixture
def successor(run: RunRef, database: Database) -> str:
    """The execution to which the run was handed over, and which was not started: the function died
    before that."""
    arn = executions()[run.run_id]["executionArn"]
    name = SuccessorStore(database).hand_over_run(run, run.run_id, arn)
    assert name == f"{run.run_id}-2"
    return name


def end(name: str, status: str = "FAILED") -> dict[str, bool]:
    """Step Functions reports the end of an execution."""
    event = sample("close-run")
    event["detail"] |= {"name": name, "status": status}
    return close_run(event, lambda_context())


def begin(database: Database, run: RunRef, name: str) -> RunRef | None:
    """As its first state does."""
    arn = executions()[name]["executionArn"]
    epoch = LeaseStore(database).take_lease(
        run.account_id, run.run_id, arn, SyncType.AUTOMATIC, "hand-over", execution_name=name
    )
    return RunRef(run.account_id, run.run_id, epoch) if epoch else None


def test_the_next_request_starts_the_successor_and_returns_the_same_run(
    api: Api, run: RunRef, successor: str
) -> None:
    accepted = start(api, run.account_id).json

    assert accepted["runId"] == run.run_id
    assert accepted["executionArn"] == executions()[successor]["executionArn"]
    started = json.loads(executions()[successor]["input"])
    assert (started["accountId"], started["runId"]) == (run.account_id, run.run_id)
    assert start(api, run.account_id).json["executionArn"] == accepted["executionArn"]


def test_the_schedule_starts_the_successor(
    run: RunRef, successor: str, database: Database, sql: Sql
) -> None:
    sql(SILENT)
    create_sync_starter().recover_stale_runs(RunStore(database).find_stale_runs(10))

    assert executions()[successor]["status"] == "RUNNING"
    assert sql(RUN) == [["running", None]]


def test_the_end_of_the_current_execution_alone_closes_the_run(
    run: RunRef, successor: str, sql: Sql
) -> None:
    assert end(run.run_id) == {"closed": False}
    assert sql(RUN) == [["running", None]]

    assert end(successor) == {"closed": True}
    assert sql(RUN) == [["failed", "ExecutionDied"]]
    lease = "SELECT lease_owner, sync_status FROM mailsync.email_accounts"
    assert sql(lease) == [[None, "failed"]]


@pytest.mark.parametrize("recovers", [False, True])
def test_a_run_that_is_handed_over_while_its_execution_is_looked_up_stays_open(
    run: RunRef, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch, recovers: bool
) -> None:
    names: list[str] = [run.run_id]

    def hand_over_and_end(client: StepFunctions, arn: str) -> str:
        if len(names) == 1:
            names.append(str(SuccessorStore(database).hand_over_run(run, run.run_id, arn)))
        return "SUCCEEDED" if arn.endswith(run.run_id) else "RUNNING"

    monkeypatch.setattr(StepFunctions, "find_execution_status", hand_over_and_end)
    sql(SILENT)

    if recovers:
        create_sync_starter().recover_stale_runs(RunStore(database).find_stale_runs(10))
    else:
        joined = create_sync_starter().start_sync(
            run.account_id, SyncTypeAndFolders(SyncType.AUTOMATIC), "api"
        )
        assert joined.id == run.run_id

    assert names == [run.run_id, f"{run.run_id}-2"]
    assert sql(RUN) == [["running", None]]


@pytest.mark.parametrize("handler", [close_run, mark_failed])
def test_a_run_that_is_handed_over_while_it_is_closed_stays_open(
    run: RunRef,
    database: Database,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
    handler: Callable[[dict[str, Any], Any], Any],
) -> None:
    """As by an invocation of `hand-over` that Step Functions no longer waits for."""
    arn = executions()[run.run_id]["executionArn"]
    find = RunStore.find_open_run_of_execution

    def find_and_hand_over(store: RunStore, name: str) -> tuple[RunId, AccountId] | None:
        found = find(store, name)
        SuccessorStore(database).hand_over_run(run, run.run_id, arn)
        return found

    monkeypatch.setattr(RunStore, "find_open_run_of_execution", find_and_hand_over)
    event = sample("close-run")
    event["detail"] |= {"name": run.run_id, "status": "FAILED"}
    failed = {"runId": run.run_id, "executionArn": arn, "error": {"Error": "States.Timeout"}}

    handler(event | failed, lambda_context())

    assert sql(RUN) == [["running", None]]


def test_a_dead_successor_frees_the_mailbox(
    api: Api, run: RunRef, successor: str, database: Database, sql: Sql
) -> None:
    create_sync_starter().start_successor_execution(run.account_id, run.run_id, successor)
    assert begin(database, run, successor)
    arn = executions()[successor]["executionArn"]
    kill_execution(arn)

    again = start(api, run.account_id).json

    assert again["runId"] != run.run_id
    dead = "SELECT status, error FROM mailsync.sync_runs WHERE id = :run_id"
    assert sql(dead, run_id=run.run_id) == [["failed", "ExecutionDied"]]


@pytest.mark.parametrize("is_begun", [False, True])
def test_stopping_the_sync_stops_the_successor(
    api: Api, run: RunRef, successor: str, sql: Sql, is_begun: bool
) -> None:
    database = open_database()
    create_sync_starter().start_successor_execution(run.account_id, run.run_id, successor)
    if is_begun:
        assert begin(database, run, successor)

    response = api(STOP, query={"accountId": run.account_id})

    assert (response.status, response.json["runId"]) == (200, run.run_id)
    assert executions()[successor]["status"] == "ABORTED"
    assert end(successor, "ABORTED") == {"closed": False}
    assert begin(database, run, successor) is None
    assert sql(RUN) == [["cancelled", "ExecutionStopped"]]


def test_a_sync_is_stopped_though_the_database_goes_away_before_its_execution_is_found(
    api: Api, run: RunRef, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise StoreUnavailable("Down.")

    monkeypatch.setattr(RunStore, "execution_name_of_run", fail)

    response = api(STOP, query={"accountId": run.account_id})

    assert (response.status, response.json["runId"]) == (200, run.run_id)
    assert sql(RUN) == [["cancelled", "ExecutionStopped"]]


def test_a_predecessor_cannot_begin_the_run_again(
    run: RunRef, successor: str, database: Database, sql: Sql
) -> None:
    sql("UPDATE mailsync.email_accounts SET lease_until = now() - interval '1 s'")

    assert begin(database, run, run.run_id) is None
    assert sql(RUN) == [["running", None]]


@pytest.mark.parametrize(("end", "last"), [("", "-11"), ("-2", "-12"), ("-5", "-12")])
def test_the_name_of_a_successor_fits_into_eighty_characters(
    database: Database, account_id: AccountId, end: str, last: str
) -> None:
    run_id = RunId("r" * (80 - len(end)) + end)
    store, names = SuccessorStore(database), [run_id]
    for _ in range(10):
        epoch = LeaseStore(database).take_lease(
            account_id,
            run_id,
            f"arn:{names[-1]}",
            SyncType.AUTOMATIC,
            "test",
            execution_name=names[-1],
        )
        assert epoch
        following = store.hand_over_run(
            RunRef(account_id, run_id, epoch), names[-1], f"arn:{names[-1]}"
        )
        assert following
        names.append(RunId(following))

    assert names[-1] == "r" * 77 + last
    assert len({*names}) == 11
    assert {len(name) for name in names} == {80}
