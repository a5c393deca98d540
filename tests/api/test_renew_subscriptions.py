"""The schedule `renew-subscriptions` against the simulated Graph, with real Postgres and sealed
tokens; what Graph posts goes to a subscriber that only keeps it."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from localdev.simulators import Simulators
from mailsync.credentials.token_set import access_token_context, grant_context
from mailsync.model import AccountId, Credentials
from mailsync.settings import load_settings
from mailsync.sync.mailbox import open_vault
from tests.api.conftest import Connect
from tests.api.requests import Sql
from tests.api.sign_in import ANN
from tests.api.subscriptions import (
    DUE,
    MIRRORED,
    NO_WORK,
    NOT_DUE,
    ONE_FAILED,
    ONE_MADE,
    RENEW_NOW,
    tick,
)
from tests.providers.simulators.subscriber import Subscriber

ROWS = (
    "SELECT remote_id, failures, last_error, next_try_at > now() + interval '4 minutes'"
    " FROM mailsync.provider_subscriptions ORDER BY created_at"
)


@pytest.fixture(autouse=True)
def mirrored(
    microsoft: Simulators, subscriber: Subscriber, connect_account: Connect, sql: Sql
) -> AccountId:
    """Ann's mailbox after its first sync, with a good access token."""
    token = microsoft.access_token(microsoft.service.mailbox(ANN))
    key = open_vault().sealing_key()

    def seal(account_id: AccountId) -> Credentials:
        return Credentials(
            grant=key.seal(grant_context(account_id), "{}"),
            access=key.seal(access_token_context(account_id), token),
            access_expires_at=datetime.now(UTC) + timedelta(hours=1),
        )

    account_id = connect_account(seal=seal)
    sql(f"{MIRRORED};{NOT_DUE}")
    return account_id


def only_one(microsoft: Simulators) -> dict[str, Any]:
    """Return the subscription at the provider."""
    (found,) = microsoft.notifier.subscriptions()
    return found


def test_a_mirrored_mailbox_is_subscribed_to_once_and_due_when_that_begins(
    microsoft: Simulators, subscriber: Subscriber, sql: Sql
) -> None:
    assert tick() == ONE_MADE

    made = only_one(microsoft)
    callback = subscriber.url.replace("/hook", "/api/webhooks/microsoft")
    assert (made["notification_url"], made["lifecycle_url"]) == (callback, callback)
    assert made["expires_at"] < (datetime.now(UTC) + timedelta(minutes=4_201)).timestamp()
    assert sql(ROWS) == [[made["id"], 0, None, True]]
    assert sql(DUE) == [[True]]
    assert tick() == NO_WORK


def test_no_other_mailbox_is_subscribed_to(sql: Sql) -> None:
    for state in (
        "initial_sync_completed = false",
        "initial_sync_completed = true, status = 'paused'",
        "status = 'active', provider = 'imap'",
    ):
        sql(f"UPDATE mailsync.email_accounts SET {state}")
        assert tick() == NO_WORK, state
    assert sql(ROWS) == []


def test_a_renewal_comes_early_and_makes_nothing_due(microsoft: Simulators, sql: Sql) -> None:
    tick()
    made = only_one(microsoft)
    wait = "SELECT next_try_at < now() + (expires_at - now()) / 2"
    assert sql(f"{wait} FROM mailsync.provider_subscriptions") == [[True]]
    microsoft.service.database.write("UPDATE subscription SET expires_at = expires_at - 3600")
    sql(f"{RENEW_NOW};{NOT_DUE}")

    assert tick() == ONE_MADE

    renewed = only_one(microsoft)
    assert renewed["id"] == made["id"]
    assert renewed["expires_at"] >= made["expires_at"]
    assert sql(DUE) == [[False]]


def test_one_that_is_gone_is_made_anew_and_due(microsoft: Simulators, sql: Sql) -> None:
    tick()
    old = only_one(microsoft)
    microsoft.notifier.expire_subscriptions(old["mailbox_id"])
    sql(f"{RENEW_NOW};{NOT_DUE}")

    assert tick() == ONE_MADE

    new = only_one(microsoft)
    assert new["id"] != old["id"]
    assert new["client_state"] != old["client_state"]
    assert sql(ROWS) == [[new["id"], 0, None, True]]
    assert sql(DUE) == [[True]]


def test_an_account_that_fails_bars_no_other_and_its_syncs_are_left_alone(
    connect_account: Connect, sql: Sql
) -> None:
    stranger = connect_account(user_id="bob", provider_account_id="bob")
    sql(MIRRORED)
    account = (
        "SELECT status, sync_status, failures, last_error, next_sync_at"
        " FROM mailsync.email_accounts WHERE id = cast(:id AS uuid)"
    )
    before = sql(account, id=stranger)

    assert tick() == {"renewed": 1, "failed": 1}

    failed = "SELECT failures, last_error FROM mailsync.provider_subscriptions WHERE failures > 0"
    assert sql(failed) == [[1, "AccountNotConnected"]]
    assert sql(account, id=stranger) == before
    assert tick() == NO_WORK


def test_an_address_that_the_provider_cannot_reach_is_tried_ever_more_rarely(
    subscriber: Subscriber, sql: Sql
) -> None:
    subscriber.echoes = False
    waits = []
    for _ in range(3):
        assert tick() == ONE_FAILED
        wait = "SELECT extract(epoch FROM next_try_at - now()) FROM mailsync.provider_subscriptions"
        waits.append(float(sql(wait)[0][0]))
        sql(RENEW_NOW)

    assert sql(ROWS)[0][:3] == [None, 3, "ProviderRejected"]
    assert waits[0] < waits[1] < waits[2]
    subscriber.echoes = True
    assert tick() == ONE_MADE


def test_a_mailbox_is_left_alone_while_it_syncs(sql: Sql) -> None:
    lease = "UPDATE mailsync.email_accounts SET lease_owner = 'a', lease_until = now() + interval"
    sql(f"{lease} '1 hour'")
    assert tick() == NO_WORK

    sql(f"{lease} '-1 hour'")
    assert tick() == ONE_MADE


def test_without_a_public_address_push_is_off_and_says_so(
    environment: pytest.MonkeyPatch, log: StringIO, sql: Sql
) -> None:
    environment.delenv("PUBLIC_URL")
    load_settings.cache_clear()

    assert tick() == NO_WORK
    assert sql(ROWS) == []
    assert log.getvalue().count("push_is_off") == 1
