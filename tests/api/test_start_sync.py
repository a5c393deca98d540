"""POST /api/email/sync."""

import json
from typing import Any

import pytest

from mailsync.model import AccountId, ProviderName
from mailsync.store.connection import Database
from mailsync.store.folder_store import FolderStore
from mailsync.store.run_store import RunStore
from tests.api.conftest import Connect
from tests.api.requests import Api, Sql
from tests.api.syncs import START, begin_run, begin_sync, executions, start
from tests.support.builders import a_remote_folder


def mirrored(database: Database, account_id: AccountId, *names: str) -> list[int]:
    """The ids of folders that an earlier run has found."""
    folders, run = FolderStore(database), begin_run(database, account_id, f"before-{account_id}")
    folders.save_tree_changes(run, [a_remote_folder(each) for each in names], [])
    RunStore(database).complete_or_fail_run(run)
    return [each.ref.id for each in folders.read_existing_folders(account_id)]


def test_an_accepted_sync_starts_its_execution(
    api: Api, account_id: AccountId, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("PUBLIC_URL", "http://localhost:3000/")

    response = start(api, account_id, syncType="full")

    assert response.status == 202
    accepted = response.json
    assert accepted["success"] is True
    assert accepted["status"] == "queued"
    assert accepted["statusUrl"] == f"http://localhost:3000/api/email/sync?accountId={account_id}"
    assert response.headers["Location"] == accepted["statusUrl"]
    ((run_id, execution),) = executions().items()
    assert (run_id, execution["executionArn"]) == (accepted["runId"], accepted["executionArn"])
    state = {"accountId": account_id, "syncType": "full", "trigger": "api"}
    assert json.loads(execution["input"]) == state


def test_a_running_sync_is_joined(api: Api, account_id: AccountId, database: Database) -> None:
    first = begin_sync(api, account_id, database)

    second, full = start(api, account_id), start(api, account_id, syncType="full")

    for joined, message in ((second, "already running"), (full, "again when that sync has ended")):
        assert (joined.status, joined.json["runId"]) == (202, first.run_id)
        assert joined.json["status"] == "running"
        assert message in joined.json["message"]
    assert len(executions()) == 1


def test_the_folders_of_a_full_sync_are_kept_in_the_run_and_not_in_the_state(
    api: Api, account_id: AccountId, database: Database, sql: Sql
) -> None:
    first, second = mirrored(database, account_id, "F1", "F2")

    responses = [start(api, account_id, "order-1", folders=[second, first, second]) for _ in "ab"]
    scopes: list[dict[str, Any]] = [{}, {"syncType": "full"}, {"folders": [first]}]
    others = [start(api, account_id, "order-1", **scope) for scope in scopes]

    assert [each.status for each in responses] == [202, 202]
    assert {each.problem for each in others} == {(422, "idempotency-key-reused")}
    ((run_id, execution),) = executions().items()
    assert {each.json["runId"] for each in responses} == {run_id}
    queued = sql("SELECT sync_type, folder_ids FROM mailsync.sync_runs WHERE status = 'queued'")
    assert queued == [["full", [first, second]]]
    assert "folder" not in execution["input"]


def test_a_folder_that_is_unselected_or_another_accounts_is_refused(
    *, api: Api, account_id: AccountId, connect_account: Connect, database: Database, sql: Sql
) -> None:
    (mine,) = mirrored(database, account_id, "F1")
    (theirs,) = mirrored(database, connect_account(user_id="bo"), "F1")
    sql("UPDATE mailsync.email_folders SET selected = false WHERE id = :id", id=mine)

    for folder_id in (mine, theirs, 10**6):
        response = start(api, account_id, folders=[folder_id])
        assert (response.status, response.json["title"]) == (
            422,
            "A folder is not one of this account",
        )
    assert executions() == {}


@pytest.mark.parametrize("status", ["reauth_required", "paused", "disconnected"])
def test_a_paused_or_closed_account_is_a_conflict_that_says_what_to_do(
    api: Api, account_id: AccountId, sql: Sql, status: str
) -> None:
    sql("UPDATE mailsync.email_accounts SET status = :status", status=status)

    response = start(api, account_id)

    assert response.problem == (409, "account-not-connected")
    assert {"paused": "resume the account"}.get(status, "connect the mailbox") in response.json[
        "detail"
    ]
    assert executions() == {}


def test_a_provider_that_cannot_be_synced_yet_is_a_conflict(
    api: Api, connect_account: Connect
) -> None:
    response = start(api, connect_account(provider=ProviderName("fax")))

    assert response.status == 409
    assert "Mailboxes of fax cannot be synced yet" in response.json["detail"]


def test_a_body_that_is_not_json_is_malformed(api: Api) -> None:
    response = api(START, body='{"accountId":')

    assert response.status == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json == {
        "type": "urn:mailsync:problem:malformed-body",
        "title": "The body is not JSON",
        "status": 400,
        "detail": "The body is not valid JSON; send a JSON object.",
        "requestId": "JKJaXmPLvHcESHA=",
    }


@pytest.mark.parametrize(
    ("kind", "body"), [("text/xml", "<xml/>"), ("multipart/form-data", "no boundary")]
)
def test_a_body_of_another_content_type_is_refused(api: Api, kind: str, body: str) -> None:
    response = api(START, body=body, headers={"content-type": kind})

    assert response.problem == (415, "unsupported-content-type")
