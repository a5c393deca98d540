"""GET /api/auth/microsoft and its callback: real msal, real TLS, real KMS calls, real Postgres."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, Rule
from mailsync.credentials.token_set import access_token_context, grant_context
from mailsync.credentials.vault import Vault
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from tests.api.conftest import Ask, Sql
from tests.api.connecting import (
    BEGIN,
    CALLBACK,
    INBOX,
    NOTHING,
    ONE_OF_EACH,
    choose,
    cookie_of,
    stored,
)
from tests.api.requests import Answer


@pytest.fixture
def ask(ask_connect: Ask) -> Ask:
    return ask_connect


@pytest.fixture
def tokens(connected: Answer, sql: Sql, database: Database) -> tuple[str, str]:
    """Grant and access token of Ann's account, in the clear."""
    ((account_id,),) = sql("SELECT id::text FROM mailsync.email_accounts")
    store = CredentialStore(database)
    kept = store.credentials(account_id)
    assert kept.grant is not None
    assert kept.access is not None
    vault = Vault(os.environ["TOKEN_KEY_ARN"], store)
    return (
        vault.open(grant_context(account_id), kept.grant),
        vault.open(access_token_context(account_id), kept.access),
    )


def test_a_person_connects_a_mailbox_and_lands_in_the_inbox(connected: Answer, sql: Sql) -> None:
    ((account_id, *rest),) = sql(
        "SELECT id::text, user_id, provider, email_address, status FROM mailsync.email_accounts"
    )

    assert connected.status == 302
    assert connected.headers["Location"] == f"{INBOX}?accountId={account_id}"
    assert rest == ["ann", "microsoft", "ann@example.org", "active"]
    assert connected.cookies == (
        "__Host-mailsync_sign_in=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
    )


def test_the_first_sync_starts_by_itself(connected: Answer, sql: Sql) -> None:
    ((run_id, *how),) = sql("SELECT id, sync_type, trigger FROM mailsync.sync_runs")

    (execution,) = boto3.client("stepfunctions").list_executions(
        stateMachineArn=os.environ["MAILBOX_SYNC_ARN"]
    )["executions"]
    assert execution["name"] == run_id
    assert how == ["initial", "connect"]


def test_grant_and_access_token_open_for_their_account(tokens: tuple[str, str]) -> None:
    grant, access = tokens

    assert "RefreshToken" in json.loads(grant)
    assert access.count(".") == 2


def test_connecting_a_mailbox_again_keeps_its_account(
    ask: Ask, identity: Simulators, connected: Answer, sql: Sql
) -> None:
    sql("UPDATE mailsync.email_accounts SET status = 'reauth_required'")
    again = ask(BEGIN)
    query = choose(identity, again, account="ann@example.org")

    second = ask(CALLBACK, query=query, cookies=cookie_of(again), user=None)

    assert second.headers["Location"] == connected.headers["Location"]
    assert sql("SELECT status FROM mailsync.email_accounts") == [["active"]]
    assert stored(sql) == ONE_OF_EACH


def test_a_browser_is_sent_to_the_provider(ask: Ask) -> None:
    answer = ask(BEGIN, headers={"accept": "text/html"}, query={"returnTo": INBOX})

    assert answer.status == 302
    asked = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert asked["redirect_uri"] == ["https://api.example.org/api/auth/microsoft/callback"]
    assert asked["code_challenge_method"] == ["S256"]
    (cookie,) = answer.cookies
    assert cookie.startswith("__Host-mailsync_sign_in=")
    assert cookie.endswith("; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax")


def test_on_plain_localhost_the_cookie_has_no_prefix_which_browsers_would_refuse(
    ask: Ask, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("PUBLIC_URL", "http://localhost:3000")

    answer = ask(BEGIN)

    assert "localhost%3A3000%2Fapi%2Fauth%2Fmicrosoft%2Fcallback" in answer.text
    assert answer.cookies[0].startswith("mailsync_sign_in=")
    assert answer.cookies[0].endswith("; Path=/api/auth; Max-Age=600; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize("return_to", ["https://evil.example", INBOX + "/", "//evil.example", ""])
def test_the_way_back_leads_to_the_inbox_only(ask: Ask, return_to: str) -> None:
    answer = ask(BEGIN, query={"returnTo": return_to})

    assert answer.status == 400
    assert answer.json["type"] == "urn:mailsync:problem:return-to-not-allowed"


def test_nobody_begins_a_sign_in_without_a_user(ask: Ask) -> None:
    assert ask(BEGIN, user=None).status == 401


def test_a_person_who_declines_connects_nothing(
    ask: Ask, identity: Simulators, begun: Answer, sql: Sql
) -> None:
    query = choose(identity, begun, decline="1")

    answer = ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)

    assert query["error"] == "access_denied"
    assert answer.status == 400
    assert answer.json["type"] == "urn:mailsync:problem:sign-in-refused"
    assert stored(sql) == NOTHING


def test_a_tampered_code_connects_nothing(
    ask: Ask, begun: Answer, answer: dict[str, str], sql: Sql
) -> None:
    query = answer | {"code": answer["code"][:-3] + "xyz"}

    refused = ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)

    assert refused.status == 400
    assert refused.json["type"] == "urn:mailsync:problem:sign-in-refused"
    assert stored(sql) == NOTHING


@pytest.mark.parametrize("state", ["another", "", None])
def test_an_unknown_state_connects_nothing(
    ask: Ask, begun: Answer, answer: dict[str, str], sql: Sql, state: str | None
) -> None:
    query = {name: text for name, text in (answer | {"state": state}).items() if text is not None}

    refused = ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)

    assert refused.status == 403
    assert refused.json["type"] == "urn:mailsync:problem:sign-in-unknown"
    assert stored(sql) == NOTHING


def test_another_browser_cannot_finish_a_sign_in_nor_spoil_it(
    ask: Ask, begun: Answer, answer: dict[str, str], sql: Sql
) -> None:
    """Else an attacker's mailbox could be connected to the victim who opens the link."""
    without = ask(CALLBACK, query=answer, user=None)
    other = ask(CALLBACK, query=answer, cookies=cookie_of(ask(BEGIN, user="bo")), user=None)

    assert (without.status, other.status) == (403, 403)
    assert stored(sql) == NOTHING
    assert ask(CALLBACK, query=answer, cookies=cookie_of(begun), user=None).status == 302


def test_a_sign_in_can_be_finished_once(
    ask: Ask, begun: Answer, answer: dict[str, str], connected: Answer
) -> None:
    replayed = ask(CALLBACK, query=answer, cookies=cookie_of(begun), user=None)

    assert (connected.status, replayed.status) == (302, 403)


def test_a_sign_in_that_took_too_long_is_over(
    ask: Ask, begun: Answer, answer: dict[str, str], sql: Sql
) -> None:
    sql("UPDATE mailsync.sign_ins SET expires_at = now()")

    assert ask(CALLBACK, query=answer, cookies=cookie_of(begun), user=None).status == 403


def test_a_sign_in_that_does_not_open_is_not_known(
    ask: Ask, begun: Answer, answer: dict[str, str], sql: Sql
) -> None:
    """Somebody moved it to another user's name in the database."""
    sql("UPDATE mailsync.sign_ins SET user_id = 'mallory'")

    refused = ask(CALLBACK, query=answer, cookies=cookie_of(begun), user=None)

    assert refused.status == 403
    assert refused.json["type"] == "urn:mailsync:problem:sign-in-unknown"
    assert stored(sql) == NOTHING


def test_a_platform_that_asks_for_a_pause_is_told_with_its_length(
    ask: Ask, begun: Answer, answer: dict[str, str], identity: Simulators, sql: Sql
) -> None:
    fault = Fault(status=429, body="Too Many Requests", retry_after=90)
    identity.service.token_faults.add(Rule(fault=fault))

    page = ask(CALLBACK, query=answer, cookies=cookie_of(begun), user=None)

    assert (page.status, page.headers["Retry-After"]) == (503, "90")
    assert stored(sql) == NOTHING


def test_a_platform_that_does_not_answer_is_told_as_such(
    ask: Ask, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("MICROSOFT_AUTHORITY", "https://localhost:1/common")

    answer = ask(BEGIN)

    assert answer.status == 503
    assert answer.json["type"] == "urn:mailsync:problem:provider-unavailable"
    assert answer.headers["Retry-After"] == "60"


def test_no_secret_is_printed_or_stored_in_the_clear(
    *,
    log: StringIO,
    caplog: pytest.LogCaptureFixture,
    begun: Answer,
    answer: dict[str, str],
    tokens: tuple[str, str],
    sql: Sql,
) -> None:
    (cookie,) = cookie_of(begun)
    refresh_tokens = json.loads(tokens[0])["RefreshToken"].values()
    secrets = [cookie.split("=")[1], answer["code"], answer["state"], *tokens]
    secrets += [each["secret"] for each in refresh_tokens]

    everything = log.getvalue() + caplog.text + str(every_row(sql))

    assert len(secrets) == 6
    assert "account_connected" in log.getvalue()
    assert [each for each in [*secrets, "code_verifier"] if each in everything] == []


def every_row(sql: Sql) -> list[list[object]]:
    """Every table, bytes as text where they are text."""
    tables = sql("SELECT tablename FROM pg_tables WHERE schemaname = 'mailsync'")
    rows = [row for (name,) in tables for row in sql(f"SELECT * FROM mailsync.{name}")]
    return [
        [each.decode("latin-1") if isinstance(each, bytes) else each for each in row]
        for row in rows
    ]


def test_the_function_connect_loads_neither_pydantic_nor_msal_at_start() -> None:
    """Both cost a cold start more than everything else together."""
    names = "{'pydantic', 'msal'} & set(sys.modules)"
    source = f"import sys, handlers.connect; print({names} or 'neither')"
    loaded = subprocess.run(
        [sys.executable, "-c", source],
        env={"PYTHONPATH": str(Path("lambdas").resolve()), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )

    assert loaded.stdout.strip() == "neither"
