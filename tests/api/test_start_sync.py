"""POST /api/email/sync."""

import json
import os
from typing import Any
from uuid import uuid4

import boto3
import pytest

from mailsync.model import Provider, RunId, SyncType
from mailsync.store.connection import Database
from mailsync.store.run_store import RunStore
from tests.api.conftest import Ask, Connect, Sql

START = "POST /api/email/sync"


def executions() -> list[dict[str, Any]]:
    client = boto3.client("stepfunctions")
    found: list[dict[str, Any]] = client.list_executions(
        stateMachineArn=os.environ["MAILBOX_SYNC_ARN"]
    )["executions"]
    return found


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
    RunStore(database).begin(
        account_id, RunId(first["runId"]), first["executionArn"], SyncType.MANUAL, "api"
    )

    second = ask(START, body={"accountId": account_id})

    assert second.status == 202
    assert second.json["runId"] == first["runId"]
    assert second.json["status"] == "running"
    assert "running already" in second.json["message"]
    assert len(executions()) == 1


def test_the_same_idempotency_key_is_answered_with_the_run_that_it_started(
    ask: Ask, connect_account: Connect, database: Database
) -> None:
    account_id = connect_account()
    headers = {"idempotency-key": "order-1"}
    first = ask(START, body={"accountId": account_id}, headers=headers).json
    RunStore(database).fail(account_id, RunId(first["runId"]), "arn", "ProviderUnavailable", "Down")

    again = ask(START, body={"accountId": account_id}, headers=headers)
    other = ask(START, body={"accountId": account_id}, headers={"idempotency-key": "order-2"})

    assert again.status == 202
    assert (again.json["runId"], again.json["status"]) == (first["runId"], "failed")
    assert other.json["runId"] != first["runId"]


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
    assert {"paused": "resume it"}.get(status, "connect the mailbox") in answer.json["detail"]
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
        ({"accountId": "5b0f6a52-7c1e-4f0a-9d3a-2f1b8c9d0e11", "syncType": "wild"}, "syncType"),
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
        "detail": "The body could not be read as JSON; send a JSON object.",
        "requestId": "JKJaXmPLvHcESHA=",
    }


def test_a_body_of_another_content_type_is_refused(ask: Ask) -> None:
    answer = ask(START, body="<xml/>", headers={"content-type": "text/xml"})

    assert answer.status == 415
    assert answer.json["type"] == "urn:mailsync:problem:unsupported-content-type"
