"""POST /api/webhooks/microsoft: real Postgres, and everything that a stranger may send to it."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from mailsync.model import AccountId, ProviderName, RemoteId, Subscription
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from mailsync.store.push_store import PushStore
from tests.api.conftest import Connect
from tests.api.requests import Api, ApiResponse, Sql, a_request, call
from tests.api.subscriptions import MIRRORED

ROUTE = "POST /api/webhooks/microsoft"
CALLBACK = "https://api.example.org/api/webhooks/microsoft"
SUBSCRIPTION = RemoteId("7f105c7d-2dc5-4530-97cd-4e7ae6534c07")
SECRET = "SECRET-CLIENT-STATE"
STATE = (
    "SELECT next_sync_at <= now(), notified_at IS NOT NULL FROM mailsync.email_accounts"
    " WHERE id = cast(:account_id AS uuid)"
)
SUBSCRIPTIONS = (
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
def api(api: Api) -> Api:
    """Sends a request without a user to the webhook."""
    return lambda **parts: api(ROUTE, user=None, **parts)


def notify(api: Api, *items: object) -> ApiResponse:
    return api(body={"value": items})


@pytest.fixture
def account_id(connect_account: Connect, database: Database, sql: Sql) -> AccountId:
    """Mirrored, not due for an hour, and subscribed to."""
    found = connect_account()
    sql(MIRRORED)
    store = PushStore(database)
    store.add_missing_subscription_rows(ProviderName("microsoft"), CALLBACK)
    claim = store.claim_due_subscription(ProviderName("microsoft"), CALLBACK, 600)
    assert claim
    store.save_created_subscription(
        claim, Subscription(SUBSCRIPTION, datetime.now(UTC) + timedelta(days=2)), SECRET
    )
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


def a_notification(**changes: Any) -> dict[str, Any]:
    notification = {
        "subscriptionId": SUBSCRIPTION,
        "clientState": SECRET,
        "changeType": "created",
        "resource": "Users/1/Messages/2",
    }
    return {name: value for name, value in {**notification, **changes}.items() if value is not None}


def test_a_notification_makes_only_its_mailbox_due(
    api: Api, state: Any, connect_account: Connect, sql: Sql
) -> None:
    other = connect_account(user_id="bob", provider_account_id="bob")
    rest(sql)

    response = notify(api, a_notification())

    assert (response.status, response.text) == (202, "")
    assert state() == [True, True]
    assert sql(STATE, account_id=other) == [[False, False]]


def test_a_forged_notification_has_no_effect_and_learns_nothing(
    api: Api, state: Any, sql: Sql, account_id: AccountId
) -> None:
    before = sql(SUBSCRIPTIONS, account_id=account_id)
    genuine = notify(api)

    for forged in FORGED:
        response = notify(api, a_notification(**forged))

        assert (response.status, response.text, response.headers) == (202, "", genuine.headers), (
            forged
        )
        assert state() == [False, False], forged
        assert sql(SUBSCRIPTIONS, account_id=account_id) == before, forged


def test_a_forged_item_leaves_the_genuine_one_beside_it_working(api: Api, state: Any) -> None:
    notify(api, a_notification(clientState="guessed"), 7, None, a_notification())

    assert state() == [True, True]


def test_a_paused_or_closed_mailbox_does_not_become_due(api: Api, state: Any, sql: Sql) -> None:
    for status in ("paused", "disconnected", "reauth_required"):
        sql("UPDATE mailsync.email_accounts SET status = :status", status=status)

        assert notify(api, a_notification()).status == 202
        assert state() == [False, False], status


def test_a_failing_mailbox_keeps_its_back_off(api: Api, state: Any, sql: Sql) -> None:
    sql("UPDATE mailsync.email_accounts SET failures = 3")

    notify(api, a_notification())

    assert state() == [False, True]
    wait = sql("SELECT next_sync_at < now() + interval '4 minutes' FROM mailsync.email_accounts")
    assert wait == [[True]]


def test_a_thousand_in_one_request_write_the_account_once_and_one_more_delays_nothing(
    api: Api, state: Any, sql: Sql
) -> None:
    sql(COUNTING)

    response = notify(api, *[a_notification(id=str(each)) for each in range(1_000)])

    assert response.status == 202
    assert state() == [True, True]
    assert sql("SELECT count(*) FROM writes") == [[1]]
    first = sql("SELECT next_sync_at FROM mailsync.email_accounts")
    notify(api, a_notification())
    assert sql("SELECT next_sync_at FROM mailsync.email_accounts") == first


def test_simultaneous_notifications_do_not_block_each_other(
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


def handshake(api: Api, token: str) -> ApiResponse:
    return api(query={"validationToken": token})


def test_the_handshake_returns_the_token_as_plain_text(api: Api) -> None:
    token = "Validation: Testing client application reachability for Request-Id: 5c8a+/="

    response = handshake(api, token)

    assert (response.status, response.text) == (200, token)
    assert response.headers["Content-Type"].startswith("text/plain")


def test_the_handshake_returns_neither_a_script_nor_a_long_text(api: Api) -> None:
    response = handshake(api, "<script>alert('hello')</script>")

    assert "<" not in response.text
    assert "'" not in response.text
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert [handshake(api, each).status for each in ("", "x" * 2_049)] == [400, 400]


def test_a_malformed_notification_is_refused(api: Api, state: Any) -> None:
    from handlers.webhook import handler

    for body in NO_NOTIFICATIONS:
        assert api(body=body).problem == (400, "malformed-notification"), body
    for body in ("/w==", "no base64!"):
        event = a_request(ROUTE, user=None, body=body) | {"isBase64Encoded": True}
        assert call(handler, event).status == 400, body
    assert state() == [False, False]


def test_ten_megabytes_are_refused_before_they_are_read(api: Api, state: Any) -> None:
    from handlers.webhook import handler

    body = json.dumps({"value": [a_notification(padding="x" * 10_000_000)]})
    encoded = base64.b64encode(body.encode()).decode()

    as_text = api(body=body)
    as_base64 = call(handler, a_request(ROUTE, user=None, body=encoded) | {"isBase64Encoded": True})

    assert (as_text.status, as_base64.status) == (413, 413)
    assert state() == [False, False]


def test_a_database_that_does_not_answer_lets_the_provider_try_again(
    api: Api, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("DATABASE_URL", "postgresql://postgres@127.0.0.1:1/mailsync")

    response = notify(api, a_notification())

    assert response.status == 503
    assert "Retry-After" in response.headers


def test_no_secret_or_resource_is_kept(api: Api, log: StringIO, state: Any, sql: Sql) -> None:
    notify(api, a_notification(), a_notification(clientState="guessed"))

    assert '"genuine":1' in log.getvalue()
    kept = sql("SELECT row_to_json(s)::text FROM mailsync.provider_subscriptions s")[0][0]
    hidden = (SECRET, SECRET.encode().hex(), "guessed", "Messages")
    assert not any(each in log.getvalue() + kept for each in hidden)


def test_a_notification_of_a_deleted_subscription_has_no_effect(
    api: Api, state: Any, database: Database, account_id: AccountId, sql: Sql
) -> None:
    AccountControlStore(database).disconnect_account(AccountOfRequestingUser(account_id, "ann"))
    sql("UPDATE mailsync.email_accounts SET status = 'active'")

    assert notify(api, a_notification()).status == 202
    assert state() == [False, False]
