"""GET and PATCH under /api/email/accounts."""

from typing import Any
from uuid import uuid4

import boto3
import pytest

from mailsync.decisions.verify import Cause, Difference
from mailsync.model import (
    AccountId,
    FolderId,
    IdListing,
    RemoteId,
    RunId,
    RunRef,
    SyncType,
)
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.folder_store import MAX_DIFFERENCES, FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.queue_store import QueueStore
from tests.api.conftest import Ask, Connect, Sql
from tests.api.under_way import sync_under_way
from tests.support.builders import a_remote_folder

ACCOUNTS = "/api/email/accounts"


@pytest.fixture
def run(ask: Ask, account_id: AccountId, database: Database) -> RunRef:
    CredentialStore(database).add_data_key(b"wrapped")
    return sync_under_way(ask, account_id, database)


def one(account_id: str) -> str:
    return f"{ACCOUNTS}/{account_id}"


def folder_ids(ask: Ask, account_id: AccountId) -> list[int]:
    return [each["id"] for each in ask(f"GET {one(account_id)}").json["folders"]]


def executions_running(sql: Sql) -> bool:
    (arn,) = sql("SELECT execution_arn FROM mailsync.sync_runs ORDER BY created_at LIMIT 1")[0]
    described = boto3.client("stepfunctions").describe_execution(executionArn=arn)
    return bool(described["status"] == "RUNNING")


def test_a_user_sees_his_own_accounts_page_by_page(ask: Ask, connect_account: Connect) -> None:
    mine = [connect_account(provider_account_id=f"uid{each}") for each in range(3)]
    connect_account(user_id="bo")

    for limit in (1, 2, 3):
        assert read_all(ask, limit) == mine


def test_ids_that_stay_different_are_shown_a_hundred_of_each_folder(
    ask: Ask, account_id: AccountId, run: RunRef, database: Database
) -> None:
    first, second = (FolderId(each) for each in folder_ids(ask, account_id))
    many = [Difference(RemoteId(f"m{each:03}"), Cause.MISSING) for each in range(250)]
    folders, listing = FolderStore(database), IdListing(())
    folders.mark_compared(run, first, listing, many)
    folders.mark_compared(run, second, listing, [Difference(RemoteId("s"), Cause.SURPLUS)])

    shown = ask(f"GET {one(account_id)}").json

    assert [each["differing"] for each in shown["folders"]] == [250, 1]
    assert [each["messageId"] for each in shown["differences"]][:2] == ["m000", "m001"]
    assert len(shown["differences"]) == MAX_DIFFERENCES + 1
    assert shown["differences"][-1].items() >= {"folderId": second, "cause": "surplus"}.items()


def read_all(ask: Ask, limit: int) -> list[str]:
    seen: list[str] = []
    query = {"limit": str(limit)}
    while page := ask(f"GET {ACCOUNTS}", query=query).json:
        seen += [each["accountId"] for each in page["accounts"]]
        assert len(seen) < 50, "the pages do not end"
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    return seen


def test_an_account_is_shown_with_its_folders(ask: Ask, run: RunRef) -> None:
    shown = ask(f"GET {one(run.account_id)}").json

    assert (shown["accountId"], shown["status"]) == (run.account_id, "active")
    assert (shown["emailAddress"], shown["lastError"]) == ("ann@example.org", None)
    first, second = shown["folders"]
    assert (first["displayName"], first["selected"], first["total"]) == ("Folder F1", True, 3)
    assert (second["displayName"], second["parentId"], second["total"]) == ("Folder F2", None, 1)


def test_another_users_account_looks_like_one_that_does_not_exist(
    ask: Ask, run: RunRef, sql: Sql
) -> None:
    before = sql("SELECT * FROM mailsync.email_accounts")

    for method, body in (("GET", None), ("PATCH", {"paused": True})):
        theirs = ask(f"{method} {one(run.account_id)}", user="bo", body=body)
        unknown = ask(f"{method} {one(str(uuid4()))}", user="bo", body=body)
        assert theirs.status == 404
        assert theirs == unknown
    assert sql("SELECT * FROM mailsync.email_accounts") == before


def test_pausing_stops_the_sync_and_none_is_due_until_it_is_resumed(
    ask: Ask, run: RunRef, database: Database, sql: Sql
) -> None:
    paused = ask(f"PATCH {one(run.account_id)}", body={"paused": True})
    sql("UPDATE mailsync.email_accounts SET next_sync_at = now() - interval '1 hour'")

    assert (paused.status, paused.json["status"]) == (200, "paused")
    assert not executions_running(sql)
    assert sql("SELECT status FROM mailsync.sync_runs") == [["cancelled"]]
    assert QueueStore(database).claim_due(10, 60) == ()

    resumed = ask(f"PATCH {one(run.account_id)}", body={"paused": False})

    assert resumed.json["status"] == "active"
    assert QueueStore(database).claim_due(10, 60) == (run.account_id,)


def test_an_account_without_access_can_neither_be_paused_nor_resumed(
    ask: Ask, account_id: AccountId, sql: Sql
) -> None:
    for status in ("reauth_required", "disconnected"):
        sql("UPDATE mailsync.email_accounts SET status = :status", status=status)
        for paused in (True, False):
            answer = ask(f"PATCH {one(account_id)}", body={"paused": paused})
            assert answer.status == 409
            assert "connect the mailbox again" in answer.json["detail"]
        assert sql("SELECT status FROM mailsync.email_accounts") == [[status]]


def test_a_choice_of_folders_stops_the_sync_and_the_next_one_is_due(
    ask: Ask, run: RunRef, database: Database, sql: Sql
) -> None:
    first, second = folder_ids(ask, run.account_id)
    body = {"folders": [{"id": first, "selected": True}, {"id": second, "selected": False}]}

    answer = ask(f"PATCH {one(run.account_id)}", body=body)

    assert [each["selected"] for each in answer.json["folders"]] == [True, False]
    assert not executions_running(sql)
    assert QueueStore(database).claim_due(10, 60) == (run.account_id,)
    positions = sql(
        "SELECT walk, cursor_sealed, walking FROM mailsync.folder_cursors ORDER BY folder_id"
    )
    assert positions == [[1, b"c1", False], [2, None, True]]


def test_the_same_choice_again_disturbs_no_sync(ask: Ask, run: RunRef, sql: Sql) -> None:
    first, _ = folder_ids(ask, run.account_id)

    ask(f"PATCH {one(run.account_id)}", body={"folders": [{"id": first, "selected": True}]})

    assert sql("SELECT status FROM mailsync.sync_runs") == [["running"]]


def test_with_a_folder_that_is_not_the_account_s_nothing_is_changed(
    ask: Ask, run: RunRef, connect_account: Connect, database: Database, sql: Sql
) -> None:
    other = connect_account(user_id="bo")
    epoch = LeaseStore(database).begin(other, RunId("bo"), "arn", SyncType.AUTO, "api")
    folders = FolderStore(database)
    folders.save(RunRef(other, RunId("bo"), epoch or 0), [a_remote_folder("F9")], [])
    theirs = folders.folders(other)[0].ref.id
    first, _ = folder_ids(ask, run.account_id)
    choices = [{"id": each, "selected": False} for each in (first, theirs)]

    answer = ask(f"PATCH {one(run.account_id)}", body={"paused": True, "folders": choices})

    assert (answer.status, answer.json["type"]) == (422, "urn:mailsync:problem:unknown-folder")
    assert str(theirs) in answer.json["detail"]
    assert sql("SELECT bool_and(selected) FROM mailsync.email_folders") == [[True]]
    assert sql("SELECT DISTINCT status FROM mailsync.email_accounts") == [["active"]]


NOT_UNDERSTOOD: list[Any] = [
    {"pausd": True},
    {"paused": "yes"},
    {"folders": [{"id": 1}]},
    {"folders": [{"id": "x", "selected": True}]},
    {"folders": [{"id": 2**63, "selected": True}]},
    {"folders": [{"id": 1, "selected": True}, {"id": 1, "selected": False}]},
    [],
]


def test_a_change_that_cannot_be_understood_is_refused(ask: Ask, account_id: AccountId) -> None:
    for body in NOT_UNDERSTOOD:
        assert ask(f"PATCH {one(account_id)}", body=body).status == 422


def test_an_account_id_that_is_no_uuid_is_named(ask: Ask, account_id: AccountId) -> None:
    answer = ask("GET /api/email/accounts/1")

    assert answer.status == 422
    assert "accountId" in answer.json["detail"]
