"""POST /api/email/sync."""

import json
import os
from typing import Any
from uuid import uuid4

import boto3
import pytest

from mailsync.model import AccountId, Provider, RunId, RunRef, SyncType
from mailsync.store.connection import Database
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.run_store import RunStore
from tests.api.conftest import Ask, Connect, Sql
from tests.support.builders import a_remote_folder

START = "POST /api/email/sync"
ACCOUNT = "5b0f6a52-7c1e-4f0a-9d3a-2f1b8c9d0e11"


def executions() -> list[dict[str, Any]]:
    client = boto3.client("stepfunctions")
    found: list[dict[str, Any]] = client.list_executions(
        stateMachineArn=os.environ["MAILBOX_SYNC_ARN"]
    )["executions"]
    return found


def mirrored(database: Database, account_id: AccountId, *names: str) -> list[int]:
    """The ids of folders that an earlier run has found."""
    runs, folders = RunStore(database), FolderStore(database)
    run_id = RunId(f"before-{account_id}")
    epoch = LeaseStore(database).begin(account_id, run_id, "arn", SyncType.AUTO, "schedule")
    run = RunRef(account_id, run_id, epoch or 0)
    folders.save(run, [a_remote_folder(each) for each in names], [])
    runs.complete(run)
    return [each.ref.id for each in folders.folders(account_id)]


def test_a_sync_is_accepted_and_its_execution_is_started(
    ask: Ask, connect_account: Connect
) -> None:
    account_id = connect_account()

    answer = ask(START, body={"accountId": account_id, "syncType": "full"})

    assert answer.status == 202
    accepted = answer.json
    assert accepted["success"] is True
    assert accepted["status"] == "queued"
    assert accepted["statusUrl"] == f"https://api.example.org/api/email/sync?accountId={account_id}"
    assert answer.headers["Location"] == accepted["statusUrl"]
    (execution,) = executions()
    assert execution["name"] == accepted["runId"]
    assert execution["executionArn"] == accepted["executionArn"]
    described = boto3.client("stepfunctions").describe_execution(
        executionArn=accepted["executionArn"]
    )
    assert json.loads(described["input"]) == {
        "accountId": account_id,
        "syncType": "full",
        "trigger": "api",
    }


def test_the_status_url_is_under_the_public_url(
    ask: Ask, connect_account: Connect, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("PUBLIC_URL", "http://localhost:3000/")

    answer = ask(START, body={"accountId": connect_account()})

    assert answer.headers["Location"].startswith("http://localhost:3000/api/email/sync?")


def test_a_running_sync_is_joined(ask: Ask, connect_account: Connect, database: Database) -> None:
    account_id = connect_account()
    first = ask(START, body={"accountId": account_id}).json
    LeaseStore(database).begin(
        account_id, RunId(first["runId"]), first["executionArn"], SyncType.MANUAL, "api"
    )

    second = ask(START, body={"accountId": account_id})

    assert second.status == 202
    assert second.json["runId"] == first["runId"]
    assert second.json["status"] == "running"
    assert "already running" in second.json["message"]
    assert len(executions()) == 1


@pytest.mark.parametrize("other", [{"syncType": "full"}, {"folders": True}])
def test_a_key_that_has_started_another_request_is_refused(
    ask: Ask, connect_account: Connect, database: Database, other: dict[str, Any]
) -> None:
    account_id = connect_account()
    (folder_id,) = mirrored(database, account_id, "F1")
    headers = {"idempotency-key": "order-1"}
    ask(START, body={"accountId": account_id}, headers=headers)
    body = other if "syncType" in other else {"folders": [folder_id]}

    answer = ask(START, body={"accountId": account_id, **body}, headers=headers)

    assert answer.status == 422
    assert answer.json["type"] == "urn:mailsync:problem:idempotency-key-reused"
    assert len(executions()) == 1


def test_folders_that_are_to_be_walked_again_stand_in_the_run_and_not_in_the_state(
    ask: Ask, connect_account: Connect, database: Database, sql: Sql
) -> None:
    account_id = connect_account()
    first, second = mirrored(database, account_id, "F1", "F2")
    body = {"accountId": account_id, "folders": [second, first, second]}
    headers = {"idempotency-key": "order-1"}

    accepted = ask(START, body=body, headers=headers)

    assert accepted.status == 202
    assert ask(START, body=body, headers=headers).json["runId"] == accepted.json["runId"]
    asked = sql("SELECT sync_type, folder_ids FROM mailsync.sync_runs WHERE status = 'queued'")
    assert asked == [["full", [first, second]]]
    described = boto3.client("stepfunctions").describe_execution(
        executionArn=accepted.json["executionArn"]
    )
    assert "folder" not in described["input"]


def test_a_full_sync_that_only_joins_another_run_is_told_so(
    ask: Ask, connect_account: Connect
) -> None:
    account_id = connect_account()
    first = ask(START, body={"accountId": account_id}).json

    joined = ask(START, body={"accountId": account_id, "syncType": "full"}).json

    assert joined["runId"] == first["runId"]
    assert "again when that sync has ended" in joined["message"]


def test_a_folder_of_another_account_or_one_that_is_not_selected_is_refused(
    ask: Ask, connect_account: Connect, database: Database, sql: Sql
) -> None:
    account_id = connect_account()
    (mine,) = mirrored(database, account_id, "F1")
    (theirs,) = mirrored(database, connect_account(user_id="bo"), "F1")
    sql("UPDATE mailsync.email_folders SET selected = false WHERE id = :id", id=mine)

    for folder_id in (mine, theirs, 10**6):
        answer = ask(START, body={"accountId": account_id, "folders": [folder_id]})
        assert (answer.status, answer.json["title"]) == (422, "A folder is not one of this account")
    assert executions() == []


def test_another_users_account_looks_like_one_that_does_not_exist(
    ask: Ask, connect_account: Connect
) -> None:
    theirs = ask(START, body={"accountId": connect_account()}, user="bo")
    unknown = ask(START, body={"accountId": str(uuid4())}, user="bo")

    assert theirs.status == 404
    assert theirs.json["type"] == "urn:mailsync:problem:account-not-found"
    assert theirs == unknown
    assert executions() == []


@pytest.mark.parametrize("status", ["reauth_required", "paused", "disconnected"])
def test_an_account_that_cannot_be_synced_now_is_a_conflict_that_says_what_to_do(
    ask: Ask, connect_account: Connect, sql: Sql, status: str
) -> None:
    account_id = connect_account()
    sql("UPDATE mailsync.email_accounts SET status = :status", status=status)

    answer = ask(START, body={"accountId": account_id})

    assert answer.status == 409
    assert answer.json["type"] == "urn:mailsync:problem:account-not-connected"
    advice = {"paused": "resume the account"}.get(status, "connect the mailbox")
    assert advice in answer.json["detail"]
    assert executions() == []


@pytest.mark.parametrize("provider", [Provider.GOOGLE, Provider.IMAP])
def test_a_provider_that_cannot_be_synced_yet_is_a_conflict(
    ask: Ask, connect_account: Connect, provider: Provider
) -> None:
    answer = ask(START, body={"accountId": connect_account(provider=provider)})

    assert answer.status == 409
    assert f"Mailboxes of {provider} cannot be synced yet" in answer.json["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "accountId"),
        ({"accountId": "not-a-uuid"}, "accountId"),
        ({"accountId": None}, "accountId"),
        ({"accountId": ACCOUNT, "syncType": "wild"}, "syncType"),
        ({"accountId": ACCOUNT, "folders": []}, "folders"),
        ({"accountId": ACCOUNT, "folders": ["1"]}, "folders"),
        ({"accountId": ACCOUNT, "folders": [2**63]}, "folders"),
        ({"accountId": ACCOUNT, "folders": [1], "syncType": "manual"}, "folders"),
        ([], "body"),
        (None, "body"),
        ("7", "body"),
    ],
)
def test_an_invalid_field_is_named(ask: Ask, body: Any, field: str) -> None:
    answer = ask(START, body=body)

    assert answer.status == 422
    assert answer.json["type"] == "urn:mailsync:problem:invalid-field"
    assert field in answer.json["detail"]


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_idempotency_key_has_1_to_255_characters(ask: Ask, key: str) -> None:
    body = {"accountId": str(uuid4())}

    answer = ask(START, body=body, headers={"idempotency-key": key})

    assert answer.status == 422
    assert "idempotency-key" in answer.json["detail"]


def test_a_body_that_is_not_json_is_malformed(ask: Ask) -> None:
    answer = ask(START, body='{"accountId":')

    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json == {
        "type": "urn:mailsync:problem:malformed-body",
        "title": "The body is not JSON",
        "status": 400,
        "detail": "The body is not valid JSON; send a JSON object.",
        "requestId": "JKJaXmPLvHcESHA=",
    }


def test_a_body_of_another_content_type_is_refused(ask: Ask) -> None:
    answer = ask(START, body="<xml/>", headers={"content-type": "text/xml"})

    assert answer.status == 415
    assert answer.json["type"] == "urn:mailsync:problem:unsupported-content-type"


def test_a_body_in_parts_without_a_boundary_is_refused(ask: Ask) -> None:
    answer = ask(START, body="x", headers={"content-type": "multipart/form-data"})

    assert answer.status == 415
