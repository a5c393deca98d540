"""The Idempotency-Key of POST /api/email/sync, whether its request starts a run or joins one."""

from typing import Any

import pytest

from mailsync.model import AccountId, RunId, SyncType
from mailsync.store.connection import Database
from mailsync.store.lease_store import LeaseStore
from mailsync.store.run_store import RunStore
from tests.api.conftest import Ask, Connect, Sql
from tests.api.requests import Answer

KEYS = "SELECT idempotency_key FROM mailsync.joined_keys ORDER BY 1"
RUNS = "SELECT count(*) FROM mailsync.sync_runs"


@pytest.fixture
def running(ask: Ask, account_id: AccountId, database: Database) -> RunId:
    """A run under way that nobody gave a key."""
    started = start(ask, account_id, None).json
    run_id = RunId(started["runId"])
    LeaseStore(database).begin(account_id, run_id, started["executionArn"], SyncType.MANUAL, "api")
    return run_id


def start(ask: Ask, account_id: AccountId, key: str | None, **body: Any) -> Answer:
    headers = {"idempotency-key": key} if key else {}
    return ask("POST /api/email/sync", body={"accountId": account_id, **body}, headers=headers)


def end(database: Database, account_id: AccountId, run_id: str) -> None:
    RunStore(database).fail(account_id, RunId(run_id), "arn", "ProviderUnavailable", "Down")


def test_a_key_that_has_started_a_run_is_answered_with_it_whatever_has_become_of_it(
    ask: Ask, account_id: AccountId, database: Database
) -> None:
    first = start(ask, account_id, "order-1").json
    end(database, account_id, first["runId"])

    again = start(ask, account_id, "order-1")
    other = start(ask, account_id, "order-2")

    assert again.status == 202
    assert (again.json["runId"], again.json["status"]) == (first["runId"], "failed")
    assert other.json["runId"] != first["runId"]


def test_a_key_that_has_joined_a_run_is_answered_with_it_and_starts_no_other(
    ask: Ask, account_id: AccountId, running: RunId, database: Database, sql: Sql
) -> None:
    joined = start(ask, account_id, "order-1")
    end(database, account_id, running)

    again = start(ask, account_id, "order-1")

    assert (joined.status, joined.json["runId"]) == (202, running)
    assert (again.status, again.json["runId"], again.json["status"]) == (202, running, "failed")
    assert "has ended" in again.json["message"]
    assert sql(RUNS) == [[1]]
    assert start(ask, account_id, "order-2").json["runId"] != running


def test_a_key_that_has_joined_a_run_is_refused_with_another_body(
    ask: Ask, account_id: AccountId, running: RunId, database: Database
) -> None:
    """What counts is the body of the first request, not what the run that it joined does."""
    assert start(ask, account_id, "order-1", syncType="full").json["runId"] == running

    for _ in ("while it runs", "when it has ended"):
        other = start(ask, account_id, "order-1")
        assert (other.status, other.json["title"]) == (
            422,
            "The Idempotency-Key was used for another request",
        )
        assert start(ask, account_id, "order-1", syncType="full").json["runId"] == running
        end(database, account_id, running)


@pytest.mark.parametrize("status", ["reauth_required", "paused", "disconnected"])
def test_a_key_is_answered_as_before_by_an_account_that_takes_no_new_one(
    *,
    ask: Ask,
    account_id: AccountId,
    running: RunId,
    database: Database,
    sql: Sql,
    status: str,
) -> None:
    start(ask, account_id, "order-1")
    end(database, account_id, running)
    sql("UPDATE mailsync.email_accounts SET status = :status", status=status)

    again = start(ask, account_id, "order-1")

    assert (again.status, again.json["runId"], again.json["status"]) == (202, running, "failed")
    assert start(ask, account_id, "order-1", syncType="full").status == 422
    assert start(ask, account_id, "order-2").status == start(ask, account_id, None).status == 409


def test_a_key_belongs_to_its_account(
    ask: Ask, account_id: AccountId, running: RunId, connect_account: Connect
) -> None:
    other = connect_account(provider_account_id="other")
    start(ask, account_id, "order-1")

    answer = start(ask, other, "order-1", syncType="full")

    assert answer.status == 202
    assert answer.json["runId"] != running


def test_who_joined_a_run_that_turns_out_to_be_dead_gets_another_one(
    ask: Ask, account_id: AccountId, running: RunId, sql: Sql
) -> None:
    sql("UPDATE mailsync.sync_runs SET id = 'dead', execution_arn = 'arn:aws:states:::dead'")

    answer = start(ask, account_id, "order-1").json

    assert (answer["status"], sql(KEYS)) == ("queued", [])
    assert start(ask, account_id, "order-1").json["runId"] == answer["runId"] != "dead"


def test_keys_of_yesterday_are_forgotten_when_the_next_one_of_the_account_comes(
    ask: Ask, account_id: AccountId, running: RunId, database: Database, sql: Sql
) -> None:
    for age, key in (("25 hours", "yesterday"), ("23 hours", "today")):
        start(ask, account_id, key)
        sql(
            f"UPDATE mailsync.joined_keys SET created_at = now() - interval '{age}'"
            f" WHERE idempotency_key = '{key}'"
        )

    start(ask, account_id, "now")

    assert sql(KEYS) == [["now"], ["today"]]
    end(database, account_id, running)
    assert start(ask, account_id, "today").json["runId"] == running
    assert start(ask, account_id, "yesterday").json["runId"] != running
