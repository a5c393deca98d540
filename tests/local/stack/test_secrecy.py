"""No key and no mail where it does not belong: states, logs, events, tables, errors, addresses.

A session is lived through first: sign-ins that end well, badly and not at all, syncs that work and
that fail, notifications. Then all that it left behind is searched for what was really secret in it.
"""

import json
import re
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from localdev.__main__ import welcome_text
from localdev.demo_account import connect
from localdev.engine.aws_resources import make_aws_client
from mailsync.credentials.token_set import (
    make_access_token_sealing_context,
    make_grant_sealing_context,
)
from mailsync.credentials.vault import SealedColumn, SealingContext, Vault
from mailsync.model import AccountId, SealedSecret
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from tests.local.mirror import Mirror

CREDENTIALS = (
    "SELECT account_id::text, grant_key_id, grant_sealed, access_key_id, access_sealed"
    " FROM mailsync.email_credentials"
)
CURSORS = """SELECT f.account_id || '/' || f.id, c.cursor_key_id, c.cursor_sealed
  FROM mailsync.change_feeds c JOIN mailsync.email_folders f ON f.id = c.folder_id
 WHERE c.cursor_sealed IS NOT NULL"""
SIGN_INS = "SELECT user_id, flow_key_id, flow_sealed FROM mailsync.sign_ins"
TEXTS = "SELECT coalesce(html, text) FROM mailsync.email_bodies"
MAIL = """SELECT unnest(array[subject, snippet, from_name, from_address, web_link,
       internet_message_id]) FROM mailsync.emails"""
RECIPIENTS = """SELECT each->>'address' FROM mailsync.emails,
       jsonb_array_elements(to_recipients || cc_recipients || bcc_recipients || reply_to) AS each"""
TABLES = """SELECT table_name FROM information_schema.tables
 WHERE table_schema = 'mailsync' AND table_type = 'BASE TABLE'"""
TOKEN_OF_LINK = re.compile(r"(?:delta|skip)token=([\w-]{40,})")
# Where mail may stand, since that is what they are for: in these columns; None: in all.
HOLD_MAIL = {"emails": None, "email_bodies": None, "email_accounts": ["email_address"]}
FILES_OF_OTHERS = {"simulators.log"}  # the provider's own


@dataclass
class Session:
    """What an attacker could carry away from it; `addresses` are those that we sent browsers to."""

    keys: set[str] = field(default_factory=set)
    addresses: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def session(mirror: Mirror) -> Session:
    found = Session()
    found.keys |= {mirror.stack.token(), *sign_ins(mirror, found), *notifications(mirror)}
    fail_with_revealing_errors(mirror)
    settings = mirror.stack.lambdas.settings
    found.keys |= {settings["JWT_SECRET"], settings["MICROSOFT_CLIENT_SECRET"]}
    pem = settings["MICROSOFT_CLIENT_CERTIFICATE"].partition("PRIVATE KEY")[2]
    found.keys |= {each for each in pem.splitlines() if len(each) == 64}
    found.keys |= {*opened(mirror), *links(mirror)}
    return found


def sign_ins(mirror: Mirror, session: Session) -> Iterator[str]:
    """States, cookies and a code: of a sign-in that is given up, one refused and one that ends."""
    begin, trust = (f"{mirror.account.api_url}/api/auth/microsoft", mirror.stack.provider.ca_bundle)
    with httpx.Client(verify=ssl.create_default_context(cafile=trust), timeout=30) as browser:
        for _ in range(3):
            page = browser.get(begin, headers=mirror.account.authorization_headers).headers[
                "location"
            ]
            (state,) = parse_qs(urlsplit(page).query)["state"]
            yield from (state, *browser.cookies.values())
            session.addresses.append(page.replace(state, "STATE"))
            if len(session.addresses) == 2:
                refused = {"state": state, "error": "access_denied", "error_description": "AADSTS1"}
                failed = browser.get(f"{begin}/callback", params=refused)
                session.answers.append(failed.text)
                session.addresses.append(failed.headers["location"])
        callback = browser.post(page, data={"account": mirror.account.address}).headers["location"]
        inbox = browser.get(callback)
    assert inbox.status_code == httpx.codes.FOUND
    session.addresses.append(inbox.headers["location"])
    mirror.finished()
    started = mirror.account.sync()
    session.addresses.append(started["statusUrl"])
    session.answers.append(json.dumps([started, mirror.finished()]))
    yield from parse_qs(urlsplit(callback).query)["code"]


def notifications(mirror: Mirror) -> Iterator[str]:
    """What the provider proves itself with when it notifies us, after a mail has come so."""
    mirror.invoke("renew-subscriptions")
    for subscription in mirror.control("GET", "subscriptions"):
        yield subscription["client_state"]
        secret = subscription["client_state"]
        notification = {"subscriptionId": subscription["id"], "clientState": secret}
        url = f"{mirror.stack.api_url}/api/webhooks/microsoft"
        assert httpx.post(url, json={"value": [notification]}).status_code == httpx.codes.ACCEPTED


def fail_with_revealing_errors(mirror: Mirror) -> None:
    """The provider's errors quote whose mailbox it is and what stands in it."""
    (subject,) = mirror.rows("SELECT subject FROM mailsync.emails LIMIT 1")[0]
    message = f"{mirror.account.address} may not read '{subject}'."
    fault = {"status": 403, "code": "ErrorAccessDenied", "message": message}
    rule = {"match": {"path": "/messages"}, "times": None, "fault": fault}
    mirror.control("POST", "faults", rules=[rule])
    run_id = mirror.account.sync("full")["runId"]
    mirror.finished()
    mirror.control("DELETE", "faults")
    failed = f"SELECT error_message FROM mailsync.sync_run_folders WHERE run_id = '{run_id}'"
    assert any("ErrorAccessDenied" in str(each) for (each,) in mirror.rows(failed))
    assert mirror.synced()["error"] is None


def opened(mirror: Mirror) -> Iterator[str]:
    """What is sealed in the database, opened with the stack's own key."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in mirror.stack.lambdas.settings.items():
            environment.setenv(name, value)
        database = Database(Settings({"DATABASE_URL": mirror.stack.database_url}))
        vault = Vault(mirror.stack.lambdas.settings["TOKEN_KEY_ARN"], CredentialStore(database))
        for owner, grant_key, grant, access_key, access in mirror.rows(CREDENTIALS):
            account_id = AccountId(owner)
            yield vault.decrypt_sealed_text(
                make_access_token_sealing_context(account_id), SealedSecret(access_key, access)
            )
            granted = json.loads(
                vault.decrypt_sealed_text(
                    make_grant_sealing_context(account_id), SealedSecret(grant_key, grant)
                )
            )
            for kind in ("AccessToken", "RefreshToken", "IdToken"):
                yield from (each["secret"] for each in granted[kind].values())
        for owner, key_id, sealed in mirror.rows(CURSORS):
            yield vault.decrypt_sealed_text(
                SealingContext(SealedColumn.CHANGE_FEED_CURSOR, owner), SealedSecret(key_id, sealed)
            )
        for owner, key_id, sealed in mirror.rows(SIGN_INS):
            flow = json.loads(
                vault.decrypt_sealed_text(
                    SealingContext(SealedColumn.UNFINISHED_SIGN_IN_FLOW, owner),
                    SealedSecret(key_id, sealed),
                )
            )
            yield from (flow["code_verifier"], flow["nonce"])
        database.close()


def links(mirror: Mirror) -> set[str]:
    """What stood in each link of the provider that was followed, whether or not it was kept."""
    requests = mirror.control("GET", "requests")
    return {each for one in requests for each in TOKEN_OF_LINK.findall(one["query"])}


@pytest.fixture(scope="session")
def mail(mirror: Mirror, session: Session) -> set[str]:
    """Subjects, texts, people and their addresses, as far as they are not words of everyday."""
    texts = [text for (text,) in mirror.rows(TEXTS)]
    words = {word for text in texts for word in text.split() if len(word) > 14}
    found = {text for query in (MAIL, RECIPIENTS) for (text,) in mirror.rows(query)}
    return words | {each for each in found if each and len(each) > 10}


def leaked(secrets: Iterable[str], text: str) -> list[str]:
    """Those of the secrets that stand in the text: plain, as JSON writes them, or in a query."""
    return [
        each
        for each in secrets
        if any(form in text for form in {each, json.dumps(each)[1:-1], quote(each, safe="")})
    ]


def shown(value: Any) -> str:
    """A cell of a table, bytes as the text that they may be."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def cells(mirror: Mirror, table: str, apart_from: list[str]) -> str:
    names = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'mailsync'"
    found = [name for (name,) in mirror.rows(f"{names} AND table_name = '{table}'")]
    columns = ", ".join(each for each in found if each not in apart_from)
    assert len(found) > len(apart_from)
    rows = mirror.rows(f"SELECT {columns} FROM mailsync.{table}")
    return "\n".join(shown(each) for row in rows for each in row)


def test_the_scan_knows_what_to_look_for(session: Session, mail: set[str], mirror: Mirror) -> None:
    # Of the grant and of the caller, and the one that requests are made with.
    assert len([each for each in session.keys if each.startswith("eyJ")]) > 2
    assert len([each for each in session.keys if "deltatoken" in each.lower()]) > 3
    assert links(mirror) <= session.keys
    assert len(links(mirror)) > 5
    assert len(session.keys) > 25
    assert all(len(each) > 15 for each in session.keys)
    assert mirror.account.address in mail
    assert len(mail) > 100
    assert leaked({"a b/ü"}, "?x=a%20b%2F%C3%BC") == leaked({"a b/ü"}, '"a b/\\u00fc"') == ["a b/ü"]


def test_neither_stands_in_any_execution(mirror: Mirror, session: Session, mail: set[str]) -> None:
    mirror.simulate("revoke")
    mirror.rows("UPDATE mailsync.email_credentials SET access_expires_at = now() RETURNING 1")
    failed = mirror.synced()
    assert failed["error"] == "AccessRevoked"
    connect(mirror.stack.api_url, mirror.stack.provider, mirror.stack.token())
    mirror.finished()

    text = "".join(json.dumps(each, default=str) for each in histories(mirror))

    assert text.count('"ExecutionStarted"') > 3
    assert text.count('"TaskSucceeded"') > 10
    assert leaked(session.keys | mail, text) == []


def histories(mirror: Mirror) -> Iterator[Any]:
    """Every event, with its inputs and outputs, of all executions that the engine knows."""
    client = make_aws_client("stepfunctions", mirror.stack.aws_url)
    for machine in client.list_state_machines()["stateMachines"]:
        listed = client.get_paginator("list_executions")
        for page in listed.paginate(stateMachineArn=machine["stateMachineArn"]):
            for execution in page["executions"]:
                history = client.get_paginator("get_execution_history")
                for events in history.paginate(executionArn=execution["executionArn"]):
                    yield events["events"]


def test_neither_stands_in_any_log(mirror: Mirror, session: Session, mail: set[str]) -> None:
    logs = {each.name: each for each in (mirror.stack.data / "logs").iterdir()}
    text = "".join(logs[each].read_text() for each in logs.keys() - FILES_OF_OTHERS)

    assert {"api.log", "connect.log", "webhook.log", "sync-folder.log"} <= logs.keys()
    assert text.count('"page_synced"') > 1
    assert leaked(session.keys | mail, text) == []


def test_neither_stands_in_an_event_on_the_bus(
    mirror: Mirror, session: Session, mail: set[str]
) -> None:
    mirror.invoke("publish-events")

    events = mirror.stack.simulated_event_bus.list_recent_local_bus_events()

    assert "sync.completed" in {each["type"] for each in events}
    assert leaked(session.keys | mail, json.dumps(events)) == []


def test_mail_stands_in_the_tables_that_are_made_for_it_and_in_no_other(
    mirror: Mirror, session: Session, mail: set[str]
) -> None:
    tables = [name for (name,) in mirror.rows(TABLES)]
    guarded = [each for each in tables if HOLD_MAIL.get(each, []) is not None]

    found = {each: leaked(mail, cells(mirror, each, HOLD_MAIL.get(each) or [])) for each in guarded}

    assert len(guarded) == len(tables) - list(HOLD_MAIL.values()).count(None)
    assert [each for each in found.items() if each[1]] == []


def test_no_key_stands_in_any_column_of_any_table(mirror: Mirror, session: Session) -> None:
    tables = [name for (name,) in mirror.rows(TABLES)]

    found = {each: leaked(session.keys, cells(mirror, each, [])) for each in tables}

    assert mirror.rows("SELECT 1 FROM mailsync.sign_ins")
    assert [each for each in found.items() if each[1]] == []


def test_no_address_that_we_hand_out_bears_a_key_or_mail(
    session: Session, mail: set[str], mirror: Mirror
) -> None:
    """But the state of a sign-in, which its own link has to bear."""
    assert len(session.addresses) == 6
    assert leaked(session.keys | mail, "\n".join(session.addresses)) == []


def test_no_answer_of_the_api_bears_a_key(session: Session, mirror: Mirror) -> None:
    assert leaked(session.keys, "\n".join(session.answers)) == []


def test_a_database_that_was_given_is_not_shown_with_its_password(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror.stack, "postgres_server", None)
    monkeypatch.setattr(mirror.stack, "simulator_process", None)
    monkeypatch.setattr(mirror.stack, "database_url", "postgresql://hunter2:hunter2@hunter2/mail")

    assert "hunter2" not in welcome_text(mirror.stack)
