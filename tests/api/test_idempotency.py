"""The Idempotency-Key of POST /api/email/sync, whether its request starts a run or joins one."""

import pytest

from mailsync.model import AccountId, RunId, RunRef
from mailsync.store.connection import Database
from mailsync.store.run_store import RunStore
from tests.api.conftest import Connect
from tests.api.requests import Api, Sql
from tests.api.syncs import start

KEYS = "SELECT idempotency_key FROM mailsync.joined_keys ORDER BY 1"
RUNS = "SELECT count(*) FROM mailsync.sync_runs"


@pytest.fixture
def running(run: RunRef) -> RunId:
    """A run that was started without a key."""
    return run.run_id


def end(database: Database, account_id: AccountId, run_id: str) -> None:
    RunStore(database).fail_run(account_id, RunId(run_id), "arn", "ProviderUnavailable", "Down")


def test_a_key_that_started_a_run_returns_it_also_after_its_end(
    api: Api, account_id: AccountId, database: Database
) -> None:
    first = start(api, account_id, "order-1").json
    end(database, account_id, first["runId"])

    again = start(api, account_id, "order-1")
    other = start(api, account_id, "order-2")

    assert again.status == 202
    assert (again.json["runId"], again.json["status"]) == (first["runId"], "failed")
    assert other.json["runId"] != first["runId"]


def test_a_key_that_joined_a_run_is_refused_with_another_body(
    api: Api, account_id: AccountId, running: RunId, database: Database
) -> None:
    """What counts is the body of the first request, not what the run that it joined does."""
    assert start(api, account_id, "order-1", syncType="full").json["runId"] == running

    for _ in ("while it runs", "when it has ended"):
        other = start(api, account_id, "order-1")
        assert other.problem == (422, "idempotency-key-reused")
        assert other.json["title"] == "The Idempotency-Key was used for another request"
        assert start(api, account_id, "order-1", syncType="full").json["runId"] == running
        end(database, account_id, running)


@pytest.mark.parametrize("status", ["active", "reauth_required", "paused", "disconnected"])
def test_a_key_that_joined_a_run_returns_it_even_when_the_account_takes_no_new_key(
    *, api: Api, account_id: AccountId, running: RunId, database: Database, sql: Sql, status: str
) -> None:
    joined = start(api, account_id, "order-1")
    end(database, account_id, running)
    sql("UPDATE mailsync.email_accounts SET status = :status", status=status)

    again = start(api, account_id, "order-1")

    assert (joined.status, joined.json["runId"]) == (202, running)
    assert (again.status, again.json["runId"], again.json["status"]) == (202, running, "failed")
    assert "has ended" in again.json["message"]
    assert start(api, account_id, "order-1", syncType="full").status == 422
    assert sql(RUNS) == [[1]]
    assert start(api, account_id, "order-2").status == (202 if status == "active" else 409)


def test_a_key_belongs_to_its_account(
    api: Api, account_id: AccountId, running: RunId, connect_account: Connect
) -> None:
    other = connect_account(provider_account_id="other")
    start(api, account_id, "order-1")

    response = start(api, other, "order-1", syncType="full")

    assert response.status == 202
    assert response.json["runId"] != running


def test_a_key_that_joined_a_dead_run_gets_another_one(
    api: Api, account_id: AccountId, running: RunId, sql: Sql
) -> None:
    sql(
        "UPDATE mailsync.sync_runs SET id = 'dead', execution_arn = 'arn:aws:states:::dead',"
        " heartbeat_at = now() - interval '2 minutes'"
    )

    response = start(api, account_id, "order-1").json

    assert (response["status"], sql(KEYS)) == ("queued", [])
    assert start(api, account_id, "order-1").json["runId"] == response["runId"] != "dead"


def test_the_next_key_of_an_account_deletes_those_of_yesterday(
    api: Api, account_id: AccountId, running: RunId, database: Database, sql: Sql
) -> None:
    for age, key in (("25 hours", "yesterday"), ("23 hours", "today")):
        start(api, account_id, key)
        sql(
            f"UPDATE mailsync.joined_keys SET created_at = now() - interval '{age}'"
            f" WHERE idempotency_key = '{key}'"
        )

    start(api, account_id, "now")

    assert sql(KEYS) == [["now"], ["today"]]
    end(database, account_id, running)
    assert start(api, account_id, "today").json["runId"] == running
    assert start(api, account_id, "yesterday").json["runId"] != running
