"""While a run is open, every status of its account is `queued` or `syncing`, however it started."""

import pytest

from mailsync.model import AccountId, RunId, SyncType, SyncTypeAndFolders
from mailsync.runs.trigger import create_sync_starter
from mailsync.store.check_store import Check, CheckStore, UnchangedMailboxCheckResult
from mailsync.store.connection import Database
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from mailsync.store.lease_store import LEASE_OWNER_OF_CHECKS
from mailsync.store.run_store import RunStore
from tests.api.requests import Api, Sql
from tests.api.syncs import STATUS, begin_run, begin_sync, kill_execution, start
from tests.support.builders import complete_verified

STARTS = ("api", "connect", "event", "schedule")


@pytest.fixture
def account_id(api: Api, account_id: AccountId, database: Database, sql: Sql) -> AccountId:
    """A mailbox whose first sync has completed."""
    complete_verified(database, begin_run(database, account_id, "first"))
    assert sql("SELECT sync_status FROM mailsync.email_accounts") == [["completed"]]
    return account_id


def statuses(api: Api, account_id: AccountId, sql: Sql) -> set[str]:
    """What the routes of the account say, and its column, which knows no `queued`."""
    response = api(STATUS, query={"accountId": account_id})
    assert response.headers["Retry-After"] == "2"
    (listed,) = api("GET /api/email/accounts").json["accounts"]
    shown = api(f"GET /api/email/accounts/{account_id}").json
    assert sql("SELECT sync_status FROM mailsync.email_accounts") == [["syncing"]]
    fields = {response.json["status"], response.json["syncStatus"]}
    return fields | {listed["syncStatus"], shown["syncStatus"]}


@pytest.mark.parametrize("trigger", STARTS)
def test_from_its_request_until_its_end_a_run_is_queued_or_syncing(
    api: Api, account_id: AccountId, database: Database, sql: Sql, trigger: str
) -> None:
    scope = SyncTypeAndFolders(SyncType.MANUAL)
    run = create_sync_starter().start_sync(account_id, scope, trigger, "order-1")
    assert statuses(api, account_id, sql) == {"queued"}
    for key in ("order-1", "order-2"):
        assert start(api, account_id, key).json["runId"] == run.id
        assert statuses(api, account_id, sql) == {"queued"}
    begun = begin_run(database, account_id, run.id, run.execution_arn)
    for key in ("order-1", "order-2"):
        assert start(api, account_id, key).json["runId"] == run.id
        assert statuses(api, account_id, sql) == {"syncing"}

    complete_verified(database, begun)

    ended = api(STATUS, query={"accountId": account_id})
    assert (ended.json["status"], ended.json["syncStatus"]) == ("active", "completed")
    assert "Retry-After" not in ended.headers


def a_check(database: Database, account_id: AccountId) -> Check:
    check = CheckStore(database).begin_check(account_id, RunId("of-a-check"))
    assert check is not None
    return check


def test_a_request_during_a_check_without_a_run_is_queued_until_the_check_has_ended_and_after(
    api: Api, account_id: AccountId, database: Database, sql: Sql
) -> None:
    check = a_check(database, account_id)

    start(api, account_id)

    assert statuses(api, account_id, sql) == {"queued"}
    CheckStore(database).end_check_of_unchanged_mailbox(check, UnchangedMailboxCheckResult())
    assert statuses(api, account_id, sql) == {"queued"}


@pytest.mark.parametrize("has_stored", [True, False], ids=["syncing", "queued"])
def test_a_run_that_a_check_hands_over_is_open_before_its_execution_begins(
    api: Api, account_id: AccountId, database: Database, sql: Sql, has_stored: bool
) -> None:
    checks, check = CheckStore(database), a_check(database, account_id)
    if has_stored:
        assert checks.create_run_of_check(check)
        assert statuses(api, account_id, sql) == {"syncing"}
    assert checks.hand_over_run_to_execution(check)
    expected = {"syncing" if has_stored else "queued"}
    assert statuses(api, account_id, sql) == expected

    assert start(api, account_id).json["runId"] == "of-a-check"

    assert statuses(api, account_id, sql) == expected


def test_a_dead_run_is_open_until_it_is_closed_and_its_successor_is_queued(
    api: Api, account_id: AccountId, database: Database, sql: Sql
) -> None:
    dead = begin_sync(api, account_id, database)
    arn = start(api, account_id).json["executionArn"]
    kill_execution(arn)
    assert statuses(api, account_id, sql) == {"syncing"}

    assert start(api, account_id).json["runId"] != dead.run_id

    assert statuses(api, account_id, sql) == {"queued"}


@pytest.mark.parametrize("end", ["idle", "failed", "idle: a check holds the lease"])
def test_a_queued_run_that_never_begins_ends_the_status_as_well(
    api: Api, account_id: AccountId, database: Database, sql: Sql, end: str
) -> None:
    run_id = RunId(start(api, account_id).json["runId"])
    if end == "idle":
        AccountControlStore(database).cancel_open_run(AccountOfRequestingUser(account_id, "ann"))
    else:
        owner = LEASE_OWNER_OF_CHECKS if "check" in end else None
        sql("UPDATE mailsync.email_accounts SET lease_owner = :owner", owner=owner)
        RunStore(database).fail_run(account_id, run_id, "arn", "ExecutionDied", "Died.")

    response = api(STATUS, query={"accountId": account_id})

    shown = (response.json["status"], response.json["syncStatus"])
    assert shown == ("active", end.partition(":")[0])
    assert "Retry-After" not in response.headers
