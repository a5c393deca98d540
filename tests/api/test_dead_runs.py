"""Runs whose execution is dead according to Step Functions: the mailbox is free again.

An execution may end before its run begins, when the database is away for longer than both the
workflow and the event of its end try; no other one can be started under its name.
"""

import json
from typing import Any

import pytest

from mailsync.errors import SettingMissing
from mailsync.model import AccountId, RunId
from mailsync.runs.batches import SyncAccountsLambdaClient
from mailsync.runs.step_functions import StepFunctions
from mailsync.runs.trigger import create_sync_starter
from mailsync.settings import load_settings
from mailsync.store.connection import Database
from mailsync.store.run_store import RunStore
from tests.api.conftest import Connect
from tests.api.requests import Api, Sql
from tests.api.syncs import executions, kill_execution, start
from tests.support.functions import run_scheduled

RUNS = "SELECT status, error FROM mailsync.sync_runs WHERE id = :run_id"
SILENT = "UPDATE mailsync.sync_runs SET heartbeat_at = now() - interval '2 minutes'"


def run_of(api: Api, account_id: AccountId) -> str:
    """Start a sync and return its run."""
    response = start(api, account_id)
    assert response.status == 202
    return str(response.json["runId"])


def end_execution(run_id: str) -> None:
    kill_execution(executions()[run_id]["executionArn"])


def test_a_check_hands_its_run_over_to_an_execution(api: Api, account_id: AccountId) -> None:
    create_sync_starter().start_execution_to_finish_check_run(
        account_id, RunId("of-a-check"), "schedule"
    )

    started = executions()["of-a-check"]
    assert json.loads(started["input"]) == {
        "accountId": account_id,
        "syncType": "auto",
        "trigger": "schedule",
    }


def test_a_request_gets_another_run(api: Api, account_id: AccountId, sql: Sql) -> None:
    dead = run_of(api, account_id)
    end_execution(dead)

    again = run_of(api, account_id)

    assert again != dead
    assert sql(RUNS, run_id=dead) == [["failed", "ExecutionDied"]]
    assert sql(RUNS, run_id=again) == [["queued", None]]
    assert run_of(api, account_id) == again


@pytest.mark.parametrize(("idle", "joins"), [("0 seconds", True), ("2 minutes", False)])
def test_a_working_run_that_step_functions_does_not_show_is_closed_only_when_it_is_silent(
    api: Api,
    account_id: AccountId,
    sql: Sql,
    environment: pytest.MonkeyPatch,
    *,
    idle: str,
    joins: bool,
) -> None:
    """DescribeExecution is eventually consistent: it may miss what has just begun."""
    working = run_of(api, account_id)
    sql(
        "UPDATE mailsync.sync_runs SET status = 'running', execution_arn = 'arn',"
        " heartbeat_at = now() - cast(:idle AS interval)",
        idle=idle,
    )
    environment.setattr(StepFunctions, "find_execution_status", lambda _self, _arn: None)

    assert (run_of(api, account_id) == working) == joins
    status, _ = sql(RUNS, run_id=working)[0]
    assert status == ("running" if joins else "failed")


def test_the_schedule_closes_a_dead_run_though_another_cannot_be_recovered(
    api: Api,
    connect_account: Connect,
    database: Database,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = run_of(api, connect_account())
    other = connect_account(provider_account_id="other.utid")
    second = run_of(api, other)
    end_execution(second)
    sql(SILENT)
    sql("UPDATE mailsync.sync_runs SET heartbeat_at = '2026-01-01' WHERE id = :it", it=first)
    trigger = create_sync_starter()
    status = trigger._step_functions.find_execution_status

    def refuses(arn: str) -> str | None:
        if arn.endswith(first):
            raise SettingMissing("Step Functions refuses the call.")
        return status(arn)

    monkeypatch.setattr(trigger._step_functions, "find_execution_status", refuses)
    with pytest.raises(SettingMissing):
        trigger.recover_stale_runs(RunStore(database).find_stale_runs(10))

    assert sql(RUNS, run_id=second) == [["failed", "ExecutionDied"]]
    due = "SELECT next_sync_at <= now() FROM mailsync.email_accounts WHERE id = cast(:id AS uuid)"
    assert sql(due, id=other) == [[True]]


def test_due_mailboxes_are_checked_while_step_functions_refuses(
    api: Api, connect_account: Connect, sql: Sql, environment: pytest.MonkeyPatch
) -> None:
    run_of(api, connect_account())
    sql(SILENT)
    due = connect_account(provider_account_id="due.utid")
    woken: list[str] = []

    class Lambda:
        def invoke(self, **call: Any) -> None:
            woken.extend(json.loads(call["Payload"])["accountIds"])

    environment.setattr(SyncAccountsLambdaClient, "_client", Lambda())
    environment.setenv("SYNC_ACCOUNTS_ARN", "arn")
    environment.setenv("MAILBOX_SYNC_ARN", "not an arn")
    load_settings.cache_clear()

    with pytest.raises(SettingMissing):
        run_scheduled("start_due_syncs")

    assert due in woken
