"""The schedule `renew-subscriptions` against the simulated Graph, with real Postgres and sealed
tokens; what Graph posts goes to a subscriber that only keeps it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from localdev.simulators import Simulators
from mailsync.credentials.token_set import access_token_context, grant_context
from mailsync.model import AccountId, Credentials
from mailsync.settings import load_settings
from mailsync.sync.mailbox import open_vault
from tests.api import renewing
from tests.api.conftest import Connect, Sql
from tests.api.renewing import NOTHING, ONE_FAILED, ONE_MADE
from tests.providers.simulators.subscriber import Subscriber

Tick = Callable[[], dict[str, int]]
ROWS = (
    "SELECT remote_id, failures, last_error, next_try_at > now() + interval '4 minutes'"
    " FROM mailsync.provider_subscriptions ORDER BY created_at"
)
DUE = "SELECT next_sync_at <= now() FROM mailsync.email_accounts"
LATER = (
    "UPDATE mailsync.provider_subscriptions SET next_try_at = now();"
    "UPDATE mailsync.email_accounts SET next_sync_at = now() + interval '1 hour'"
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    with Simulators(tmp_path_factory.mktemp("simulators")) as running:
        yield running


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    yield subscriber
    subscriber.stop()


@pytest.fixture
def tick(
    environment: pytest.MonkeyPatch, running: Simulators, subscriber: Subscriber, kms: Any
) -> Iterator[Tick]:
    """One tick of the schedule."""
    for name, value in {
        "GRAPH_URL": running.graph_url,
        "MICROSOFT_AUTHORITY": running.authority,
        "CA_BUNDLE": str(running.ca_bundle),
        "TOKEN_KEY_ARN": kms.create_key()["KeyMetadata"]["Arn"],
        "PUBLIC_URL": subscriber.url.removesuffix("/hook"),
    }.items():
        environment.setenv(name, value)
    open_vault.cache_clear()
    for each in running.notifier.subscriptions():
        running.notifier.expire(each["mailbox_id"])
    yield renewing.tick
    open_vault.cache_clear()


@pytest.fixture
def mirrored(tick: Tick, running: Simulators, connect_account: Connect, sql: Sql) -> AccountId:
    """Ann's mailbox after its first sync, with a good access token."""
    token = running.access_token(running.add_mailbox("ann@example.org"))
    key = open_vault().sealing_key()

    def seal(account_id: AccountId) -> Credentials:
        return Credentials(
            grant=key.seal(grant_context(account_id), "{}"),
            access=key.seal(access_token_context(account_id), token),
            access_expires_at=datetime.now(UTC) + timedelta(hours=1),
        )

    account_id = connect_account(seal=seal)
    sql(
        "UPDATE mailsync.email_accounts SET initial_sync_completed = true,"
        " next_sync_at = now() + interval '1 hour'"
    )
    return account_id


def at_provider(running: Simulators) -> list[dict[str, Any]]:
    return running.notifier.subscriptions()


def test_a_mirrored_mailbox_is_notified_of_once_and_due_when_that_begins(
    tick: Tick, mirrored: AccountId, running: Simulators, subscriber: Subscriber, sql: Sql
) -> None:
    assert tick() == ONE_MADE

    (made,) = at_provider(running)
    callback = subscriber.url.replace("/hook", "/api/webhooks/microsoft")
    assert (made["notification_url"], made["lifecycle_url"]) == (callback, callback)
    assert made["expires_at"] < (datetime.now(UTC) + timedelta(minutes=4_201)).timestamp()
    assert sql(ROWS) == [[made["id"], 0, None, True]]
    assert sql(DUE) == [[True]]
    assert tick() == NOTHING


def test_nobody_else_is_asked_to_notify(tick: Tick, mirrored: AccountId, sql: Sql) -> None:
    for what in (
        "initial_sync_completed = false",
        "initial_sync_completed = true, status = 'paused'",
        "status = 'active', provider = 'imap'",
    ):
        sql(f"UPDATE mailsync.email_accounts SET {what}")
        assert tick() == NOTHING, what
    assert sql(ROWS) == []


def test_it_is_renewed_long_before_it_ends_and_that_makes_nothing_due(
    tick: Tick, mirrored: AccountId, running: Simulators, sql: Sql
) -> None:
    tick()
    (made,) = at_provider(running)
    wait = (
        "SELECT next_try_at < now() + (expires_at - now()) / 2 FROM mailsync.provider_subscriptions"
    )
    assert sql(wait) == [[True]]
    running.service.database.write("UPDATE subscription SET expires_at = expires_at - 3600")
    sql(LATER)

    assert tick() == ONE_MADE

    (renewed,) = at_provider(running)
    assert renewed["id"] == made["id"]
    assert renewed["expires_at"] >= made["expires_at"]
    assert sql(DUE) == [[False]]


def test_one_that_is_gone_at_the_provider_is_made_anew_and_the_mailbox_due(
    tick: Tick, mirrored: AccountId, running: Simulators, sql: Sql
) -> None:
    tick()
    (old,) = at_provider(running)
    running.notifier.expire(old["mailbox_id"])
    sql(LATER)

    assert tick() == ONE_MADE

    (new,) = at_provider(running)
    assert new["id"] != old["id"]
    assert new["client_state"] != old["client_state"]
    assert sql(ROWS) == [[new["id"], 0, None, True]]
    assert sql(DUE) == [[True]]


def test_an_account_that_fails_bars_no_other_and_its_syncs_are_left_alone(
    tick: Tick, mirrored: AccountId, connect_account: Connect, sql: Sql
) -> None:
    stranger = connect_account(user_id="bob", provider_account_id="bob")
    sql("UPDATE mailsync.email_accounts SET initial_sync_completed = true")
    account = (
        "SELECT status, sync_status, failures, last_error, next_sync_at"
        " FROM mailsync.email_accounts WHERE id = cast(:id AS uuid)"
    )
    before = sql(account, id=stranger)

    assert tick() == {"renewed": 1, "failed": 1}

    failed = "SELECT failures, last_error FROM mailsync.provider_subscriptions WHERE failures > 0"
    assert sql(failed) == [[1, "AccountNotConnected"]]
    assert sql(account, id=stranger) == before
    assert tick() == NOTHING


def test_an_address_that_the_provider_cannot_reach_is_tried_ever_more_rarely(
    tick: Tick, mirrored: AccountId, subscriber: Subscriber, sql: Sql
) -> None:
    subscriber.echoes = False
    waits = []
    for _ in range(3):
        assert tick() == ONE_FAILED
        wait = "SELECT extract(epoch FROM next_try_at - now()) FROM mailsync.provider_subscriptions"
        waits.append(float(sql(wait)[0][0]))
        sql("UPDATE mailsync.provider_subscriptions SET next_try_at = now()")

    assert sql(ROWS)[0][:3] == [None, 3, "ProviderRejected"]
    assert waits[0] < waits[1] < waits[2]
    subscriber.echoes = True
    assert tick() == ONE_MADE


def test_a_new_public_address_is_told_to_the_provider(
    tick: Tick, mirrored: AccountId, running: Simulators, sql: Sql
) -> None:
    tick()
    (old,) = at_provider(running)
    sql("UPDATE mailsync.provider_subscriptions SET callback_url = 'https://old.example.org'")

    assert tick() == ONE_MADE

    (remote_id, *_), *rest = sql(ROWS)
    assert remote_id in {each["id"] for each in at_provider(running)} - {old["id"]}
    assert rest == []


def test_a_mailbox_that_is_being_synced_is_left_in_peace(
    tick: Tick, mirrored: AccountId, sql: Sql
) -> None:
    lease = "UPDATE mailsync.email_accounts SET lease_owner = 'a', lease_until = now() + interval"
    sql(f"{lease} '1 hour'")
    assert tick() == NOTHING

    sql(f"{lease} '-1 hour'")
    assert tick() == ONE_MADE


def test_without_a_public_address_push_is_off_and_says_so(
    tick: Tick, mirrored: AccountId, environment: pytest.MonkeyPatch, log: StringIO, sql: Sql
) -> None:
    environment.delenv("PUBLIC_URL")
    load_settings.cache_clear()

    assert tick() == NOTHING
    assert sql(ROWS) == []
    assert log.getvalue().count("push_is_off") == 1
