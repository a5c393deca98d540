"""POST /api/webhooks/microsoft: real Postgres, and everything that anybody may send to it."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from mailsync.model import AccountId, Provider, RemoteId, Subscription
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.control_store import AccountOfCaller, ControlStore
from mailsync.store.push_store import PushStore
from tests.api.conformance import documented
from tests.api.conftest import Ask, Connect, Sql
from tests.api.requests import Answer, a_request, call

ROUTE = "POST /api/webhooks/microsoft"
CALLBACK = "https://api.example.org/api/webhooks/microsoft"
SUBSCRIPTION = RemoteId("7f105c7d-2dc5-4530-97cd-4e7ae6534c07")
SECRET = "SECRET-CLIENT-STATE"
STATE = (
    "SELECT next_sync_at <= now(), notified_at IS NOT NULL FROM mailsync.email_accounts"
    " WHERE id = cast(:account_id AS uuid)"
)
CHANNEL = (
    "SELECT remote_id, next_try_at <= now() FROM mailsync.provider_subscriptions"
    " WHERE account_id = cast(:account_id AS uuid)"
)

COUNTING = """
CREATE TABLE writes (at timestamptz);
CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql
    AS 'begin insert into writes values (now()); return new; end';
CREATE TRIGGER counting BEFORE UPDATE ON mailsync.email_accounts
    FOR EACH ROW EXECUTE FUNCTION count_write();
"""
FORGED: tuple[dict[str, Any], ...] = (
    {"clientState": "guessed"},
    {"clientState": None},
    {"clientState": 7},
    {"clientState": "x" * 100_000},
    {"subscriptionId": "00000000-2dc5-4530-97cd-4e7ae6534c07"},
    {"subscriptionId": "\0"},
    {"subscriptionId": None},
    {"lifecycleEvent": "subscriptionRemoved", "clientState": "guessed"},
    {"lifecycleEvent": ["missed"]},
    {"lifecycleEvent": "inventedLater"},
)
NO_NOTIFICATIONS = (
    None,
    "",
    "{",
    "[]",
    "7",
    '"text"',
    "{}",
    '{"value": 7}',
    "[" * 100_000,
    "\ud800",
)


@pytest.fixture
def ask(environment: pytest.MonkeyPatch) -> Ask:
    """Sends a request to the function `webhook`, as somebody whom nobody knows."""
    from handlers.webhook import handler

    return lambda **parts: documented(ROUTE, call(handler, a_request(ROUTE, user=None, **parts)))


@pytest.fixture
def account_id(connect_account: Connect, database: Database, sql: Sql) -> AccountId:
    """Mirrored, not due for an hour, and its provider notifies us."""
    found = connect_account()
    sql(
        "UPDATE mailsync.email_accounts SET initial_sync_completed = true,"
        " next_sync_at = now() + interval '1 hour'"
    )
    store = PushStore(database)
    store.add_missing(Provider.MICROSOFT, CALLBACK)
    claim = store.claim(Provider.MICROSOFT, CALLBACK, 600)
    assert claim
    store.made(claim, Subscription(SUBSCRIPTION, datetime.now(UTC) + timedelta(days=2)), SECRET)
    rest(sql)
    return found


@pytest.fixture
def state(sql: Sql, account_id: AccountId) -> Callable[[], list[Any]]:
    """Whether the account is due, and whether it was notified."""
    return lambda: sql(STATE, account_id=account_id)[0]


def rest(sql: Sql) -> None:
    sql(
        "UPDATE mailsync.email_accounts SET notified_at = NULL,"
        " next_sync_at = now() + interval '1 hour'"
    )


def a_notice(**changes: Any) -> dict[str, Any]:
    notification = {
        "subscriptionId": SUBSCRIPTION,
        "clientState": SECRET,
        "changeType": "created",
        "resource": "Users/1/Messages/2",
    }
    return {name: value for name, value in {**notification, **changes}.items() if value is not None}


def a_lifecycle_event(event: str, **changes: Any) -> dict[str, Any]:
    return a_notice(lifecycleEvent=event, changeType=None, resource=None, **changes)


def test_a_notification_makes_its_mailbox_due_and_no_other(
    ask: Ask, state: Any, connect_account: Connect, sql: Sql
) -> None:
    other = connect_account(user_id="bob", provider_account_id="bob")
    rest(sql)

    answer = ask(body={"value": [a_notice()]})

    assert (answer.status, answer.text) == (202, "")
    assert state() == [True, True]
    assert sql(STATE, account_id=other) == [[False, False]]


def test_who_does_not_know_the_secret_has_no_effect_and_learns_nothing(
    ask: Ask, state: Any, sql: Sql, account_id: AccountId
) -> None:
    before = sql(CHANNEL, account_id=account_id)
    genuine = ask(body={"value": []})

    for forged in FORGED:
        answer = ask(body={"value": [a_notice(**forged)]})

        assert (answer.status, answer.text, answer.headers) == (202, "", genuine.headers), forged
        assert state() == [False, False], forged
        assert sql(CHANNEL, account_id=account_id) == before, forged


def test_a_forged_item_does_not_keep_a_genuine_one_of_the_same_request_from_working(
    ask: Ask, state: Any
) -> None:
    ask(body={"value": [a_notice(clientState="guessed"), 7, None, a_notice()]})

    assert state() == [True, True]


def test_a_mailbox_that_may_not_be_synced_does_not_become_due(
    ask: Ask, state: Any, sql: Sql
) -> None:
    for status in ("paused", "disconnected", "reauth_required"):
        sql("UPDATE mailsync.email_accounts SET status = :status", status=status)

        assert ask(body={"value": [a_notice()]}).status == 202
        assert state() == [False, False], status


def test_a_mailbox_that_fails_is_not_asked_every_minute_whatever_arrives(
    ask: Ask, state: Any, sql: Sql
) -> None:
    sql("UPDATE mailsync.email_accounts SET failures = 3")

    ask(body={"value": [a_notice()]})

    assert state() == [False, True]
    wait = sql("SELECT next_sync_at < now() + interval '4 minutes' FROM mailsync.email_accounts")
    assert wait == [[True]]


def test_a_doubled_notification_never_puts_a_mailbox_off(ask: Ask, state: Any, sql: Sql) -> None:
    due = "SELECT next_sync_at FROM mailsync.email_accounts"
    ask(body={"value": [a_notice(), a_notice()]})
    first = sql(due)

    ask(body={"value": [a_notice()]})

    assert sql(due) == first
    assert state() == [True, True]


def test_a_thousand_in_one_request_write_the_account_once(ask: Ask, state: Any, sql: Sql) -> None:
    sql(COUNTING)

    answer = ask(body={"value": [a_notice(id=str(each)) for each in range(1_000)]})

    assert answer.status == 202
    assert state() == [True, True]
    assert sql("SELECT count(*) FROM writes") == [[1]]


def test_simultaneous_notifications_of_the_same_mailboxes_do_not_bar_each_other(
    connect_account: Connect, settings: Settings, sql: Sql
) -> None:
    """Two requests that lock several accounts in different orders would be a deadlock."""
    accounts = [connect_account(provider_account_id=f"{each}") for each in range(8)]

    def notify(turn: int) -> None:
        database = Database(settings)
        ordered = accounts if turn % 2 else accounts[::-1]
        with database.transaction() as tx:
            tx.run("notify_accounts", account_ids=json.dumps(ordered))
        database.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(notify, range(40)))

    notified = "SELECT count(*) FROM mailsync.email_accounts WHERE notified_at IS NOT NULL"
    assert sql(notified) == [[8]]


def test_missed_notifications_make_the_mailbox_due(ask: Ask, state: Any) -> None:
    ask(body={"value": [a_lifecycle_event("missed")]})

    assert state() == [True, True]


def test_one_that_is_about_to_lapse_is_renewed_by_the_next_tick(
    ask: Ask, state: Any, sql: Sql, account_id: AccountId
) -> None:
    assert sql(CHANNEL, account_id=account_id) == [[SUBSCRIPTION, False]]

    ask(body={"value": [a_lifecycle_event("reauthorizationRequired")]})

    assert sql(CHANNEL, account_id=account_id) == [[SUBSCRIPTION, True]]
    assert state() == [False, False]


def test_one_that_was_removed_is_made_anew_and_the_mailbox_is_due(
    ask: Ask, state: Any, sql: Sql, account_id: AccountId
) -> None:
    ask(body={"value": [a_lifecycle_event("subscriptionRemoved")]})

    assert sql(CHANNEL, account_id=account_id) == [[None, True]]
    assert state() == [True, True]


def handshake(ask: Ask, token: str) -> Answer:
    return ask(query={"validationToken": token})


def test_the_handshake_is_answered_with_the_token_as_plain_text(ask: Ask) -> None:
    token = "Validation: Testing client application reachability for Request-Id: 5c8a+/="

    answer = handshake(ask, token)

    assert (answer.status, answer.text) == (200, token)
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_the_handshake_cannot_be_used_to_show_a_script_or_a_novel(ask: Ask) -> None:
    answer = handshake(ask, "<script>alert('hello')</script>")

    assert "<" not in answer.text
    assert "'" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert [handshake(ask, each).status for each in ("", "x" * 2_049)] == [400, 400]


def test_what_is_no_notification_is_refused_without_a_failure(ask: Ask, state: Any) -> None:
    from handlers.webhook import handler

    for body in NO_NOTIFICATIONS:
        answer = ask(body=body)
        assert answer.status == 400, body
        assert answer.json["type"] == "urn:mailsync:problem:malformed-notification"
    for body in ("/w==", "no base64!"):
        event = a_request(ROUTE, user=None, body=body) | {"isBase64Encoded": True}
        assert call(handler, event).status == 400, body
    assert state() == [False, False]


def test_ten_megabytes_are_refused_before_they_are_read(ask: Ask, state: Any) -> None:
    from handlers.webhook import handler

    body = json.dumps({"value": [a_notice(padding="x" * 10_000_000)]})
    encoded = base64.b64encode(body.encode()).decode()

    as_text = call(handler, a_request(ROUTE, user=None, body=body))
    as_base64 = call(handler, a_request(ROUTE, user=None, body=encoded) | {"isBase64Encoded": True})

    assert (as_text.status, as_base64.status) == (413, 413)
    assert state() == [False, False]


def test_a_database_that_does_not_answer_lets_the_provider_try_again(
    ask: Ask, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("DATABASE_URL", "postgresql://postgres@127.0.0.1:1/mailsync")

    answer = ask(body={"value": [a_notice()]})

    assert answer.status == 503
    assert "Retry-After" in answer.headers


def test_the_secret_is_neither_logged_nor_stored_and_the_resource_is_not_either(
    ask: Ask, log: StringIO, state: Any, sql: Sql
) -> None:
    ask(body={"value": [a_notice(), a_notice(clientState="guessed")]})

    assert '"genuine":1' in log.getvalue()
    kept = sql("SELECT row_to_json(s)::text FROM mailsync.provider_subscriptions s")[0][0]
    hidden = (SECRET, SECRET.encode().hex(), "guessed", "Messages")
    assert not any(each in log.getvalue() + kept for each in hidden)


def test_a_forgotten_subscription_says_nothing_any_more(
    ask: Ask, state: Any, database: Database, account_id: AccountId, sql: Sql
) -> None:
    ControlStore(database).disconnect(AccountOfCaller(account_id, "ann"))
    sql("UPDATE mailsync.email_accounts SET status = 'active'")

    assert ask(body={"value": [a_notice()]}).status == 202
    assert state() == [False, False]
