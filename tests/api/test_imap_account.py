"""The life of an account over IMAP, through the API and the real functions, at a real Dovecot."""

import json
import time
from collections.abc import Callable, Iterator
from subprocess import CalledProcessError
from typing import Any

import pytest

from infra.catalog import MAILBOX_SYNC_WORKFLOW
from mailsync.errors import MailsyncError
from mailsync.settings import load_settings
from tests.api.requests import Api, ApiResponse, Sql
from tests.api.syncs import START, STATUS, executions
from tests.support.dovecot import PASSWORD, Dovecot, dovecot, readable_folder
from tests.support.execution import Execution, StateFailed
from tests.support.functions import lambda_context, load_functions

CONNECT = "POST /api/email/accounts/imap"
ADDRESS = "ann@example.org"
ROWS = """SELECT m.id, m.subject, m.is_read FROM mailsync.emails m
  JOIN mailsync.email_placements p ON p.email_id = m.id
 WHERE m.account_id = :account AND m.removed_at IS NULL ORDER BY m.subject"""
CURSORS = """SELECT id, cursor_sealed FROM mailsync.change_feeds
 WHERE account_id = :account ORDER BY id"""


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with readable_folder() as folder, dovecot(folder / "d", users=[ADDRESS]) as running:
        yield running


@pytest.fixture
def connect(
    environment: pytest.MonkeyPatch, token_key_arn: str, server: Dovecot, api: Api
) -> Callable[..., ApiResponse]:
    environment.setenv("TOKEN_KEY_ARN", token_key_arn)
    environment.setenv("IMAP_SERVERS", f"localhost:{server.port}")
    environment.setenv("CA_BUNDLE", str(server.certificate))
    load_settings.cache_clear()
    body = {"userName": ADDRESS, "password": PASSWORD, "host": "localhost", "port": server.port}
    return lambda user="ann", **named: api(CONNECT, user=user, body=body | named)


def run_workflow(run_id: str) -> str:
    """Run the execution that the API has started, as Step Functions does in a stage. Return the
    error with which it failed, or `completed`."""
    started = executions()[run_id]
    functions = load_functions()

    def invoke(placeholder: str, event: Any) -> Any:
        try:
            result = functions[placeholder].handler(event, lambda_context())
        except MailsyncError as error:
            cause = json.dumps({"errorMessage": str(error)})
            raise StateFailed(type(error).__name__, cause) from error
        return json.loads(json.dumps(result))

    execution = Execution(run_id, started["executionArn"], invoke, list)
    try:
        execution.run(MAILBOX_SYNC_WORKFLOW.asl_text, json.loads(started["input"]))
    except StateFailed as failed:
        return failed.error
    return "completed"


def set_password(server: Dovecot, password: str) -> None:
    """Replace the password, and wait until Dovecot has read the file again."""
    (server.data / "passwd").write_text(f"{ADDRESS}:{{PLAIN}}{password}::::::\n")
    deadline = time.monotonic() + 10
    while True:
        try:
            server.doveadm("auth", "test", ADDRESS, password)
            return
        except CalledProcessError:
            assert time.monotonic() < deadline


def deliver(server: Dovecot, *subjects: str) -> None:
    client = server.other_client(ADDRESS)
    for each in subjects:
        mail = (
            f"From: bo@example.com\r\nSubject: {each}\r\nMessage-ID: <{each}@x>\r\n\r\n{each}\r\n"
        )
        assert client.append("INBOX", "", "", mail.encode())[0] == "OK"
    client.logout()


def test_an_account_is_connected_synced_and_shown(
    connect: Callable[..., ApiResponse], server: Dovecot, api: Api, sql: Sql
) -> None:
    deliver(server, "one", "two")
    connected = connect().json
    account = connected["accountId"]
    before = api(STATUS, query={"accountId": account}).json
    assert run_workflow(connected["runId"]) == "completed"
    status = api(STATUS, query={"accountId": account}).json
    (listed,) = api("GET /api/email/accounts").json["accounts"]
    shown = api(f"GET /api/email/accounts/{account}").json

    assert (before["syncStatus"], before["provider"]) == ("queued", "imap")
    assert (status["syncStatus"], status["rate"], status["etaSeconds"]) == ("completed", 0, None)
    assert (status["syncProgress"], status["syncTotal"]) == (len(sql(ROWS, account=account)),) * 2
    assert (listed["provider"], listed["emailAddress"]) == ("imap", ADDRESS)
    assert {each["displayName"] for each in shown["folders"]} == {"INBOX", "Sent"}
    assert {"one", "two"} <= {row[1] for row in sql(ROWS, account=account)}


def test_a_mailbox_that_is_connected_again_keeps_its_mail_and_its_cursors(
    connect: Callable[..., ApiResponse], server: Dovecot, api: Api, sql: Sql
) -> None:
    deliver(server, "kept")
    connected = connect().json
    account = connected["accountId"]
    assert run_workflow(connected["runId"]) == "completed"
    rows, cursors = sql(ROWS, account=account), sql(CURSORS, account=account)

    set_password(server, "new word")
    try:
        failing = api(START, body={"accountId": account}).json
        assert run_workflow(failing["runId"]) == "AccessRevoked"
        assert api(START, body={"accountId": account}).problem == (409, "account-not-connected")
        assert connect().problem == (422, "password-refused")
        assert connect(password="new word").json["accountId"] == account
    finally:
        set_password(server, PASSWORD)

    assert (sql(ROWS, account=account), sql(CURSORS, account=account)) == (rows, cursors)
    assert api(f"GET /api/email/accounts/{account}").json["status"] == "active"


def test_the_same_mailbox_of_another_user_is_another_account(
    connect: Callable[..., ApiResponse], server: Dovecot, api: Api, sql: Sql
) -> None:
    mine, other = connect().json["accountId"], connect("bo").json["accountId"]
    assert mine != other
    assert connect("bo").json["accountId"] == other

    assert api(f"DELETE /api/email/accounts/{other}", user="ann").status == 404
    removed = api(f"DELETE /api/email/accounts/{other}", user="bo", query={"data": "purge"})
    assert (removed.status, removed.json["status"]) == (200, "purged")
    kept = api(f"DELETE /api/email/accounts/{mine}", query={"data": "keep"})
    assert (kept.status, kept.json["status"]) == (200, "disconnected")
    assert sql("SELECT count(*) FROM mailsync.email_credentials") == [[0]]


def test_a_sync_that_the_api_starts_brings_what_is_new(
    connect: Callable[..., ApiResponse], server: Dovecot, api: Api, sql: Sql
) -> None:
    connected = connect().json
    account = connected["accountId"]
    assert run_workflow(connected["runId"]) == "completed"
    deliver(server, "news")
    started = api(START, body={"accountId": account}).json
    assert run_workflow(started["runId"]) == "completed"
    assert "news" in [row[1] for row in sql(ROWS, account=account)]
    run = api(f"GET /api/email/runs/{started['runId']}").json
    assert (run["status"], [each["inserted"] for each in run["steps"]]) == ("completed", [1])
