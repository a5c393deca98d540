"""The schedule `renew-subscriptions` against the simulated Graph, with real Postgres and sealed
tokens; what Graph posts goes to a subscriber that only keeps it."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from localdev.simulators.graph.owner import OutlookMailboxEditor
from mailsync.settings import load_settings
from tests.api.conftest import Connect
from tests.api.sign_in import ANN
from tests.api.subscriptions import (
    DUE,
    MIRRORED,
    NO_WORK,
    NOT_DUE,
    ONE_FAILED,
    ONE_MADE,
    Subscribed,
    tick,
)

ROWS = (
    "SELECT remote_id, failures, last_error, next_try_at > now() + interval '4 minutes'"
    " FROM mailsync.provider_subscriptions ORDER BY created_at"
)


@pytest.fixture
def ann(mailbox: Subscribed) -> Subscribed:
    """After her first sync."""
    mailbox.sign_in("ann")
    mailbox.sql(NOT_DUE)
    return mailbox


def only_one(ann: Subscribed) -> dict[str, Any]:
    """Return the subscription at the provider."""
    (found,) = ann.microsoft.notifier.list_active_subscriptions()
    return found


def test_a_mirrored_mailbox_is_subscribed_to_once_and_due_when_that_begins(ann: Subscribed) -> None:
    assert tick() == ONE_MADE

    made = only_one(ann)
    callback = ann.subscriber.url.replace("/hook", "/api/webhooks/microsoft")
    assert (made["notification_url"], made["lifecycle_url"]) == (callback, callback)
    assert made["expires_at"] < (datetime.now(UTC) + timedelta(minutes=4_201)).timestamp()
    assert ann.sql(ROWS) == [[made["id"], 0, None, True]]
    assert ann.sql(DUE) == [[True]]
    assert tick() == NO_WORK


@pytest.mark.parametrize(
    "state",
    [
        "initial_sync_completed = false",
        "status = 'paused'",
        "provider = 'imap'",
        "lease_owner = 'a', lease_until = now() + interval '1 hour'",
    ],
)
def test_no_other_mailbox_is_subscribed_to(ann: Subscribed, state: str) -> None:
    """None that is not mirrored yet, paused, of another provider or being synced."""
    ann.sql(f"UPDATE mailsync.email_accounts SET {state}")

    assert tick() == NO_WORK
    ann.sql("UPDATE mailsync.email_accounts SET lease_until = now()")
    assert tick() == (ONE_MADE if "lease" in state else NO_WORK)


def test_a_renewal_comes_early_and_nothing_is_due_unless_the_old_one_is_gone(
    ann: Subscribed,
) -> None:
    tick()
    made = only_one(ann)
    wait = "SELECT next_try_at < now() + (expires_at - now()) / 2"
    assert ann.sql(f"{wait} FROM mailsync.provider_subscriptions") == [[True]]
    ann.microsoft.service.database.execute_write(
        "UPDATE subscription SET expires_at = expires_at - 3600"
    )
    ann.renew_now()
    ann.sql(NOT_DUE)

    assert tick() == ONE_MADE

    renewed = only_one(ann)
    assert renewed["id"] == made["id"]
    assert renewed["expires_at"] >= made["expires_at"]
    assert ann.sql(DUE) == [[False]]

    ann.microsoft.notifier.make_subscriptions_expire_now(made["mailbox_id"])
    ann.renew_now()
    assert tick() == ONE_MADE

    new = only_one(ann)
    assert new["id"] != made["id"]
    assert new["client_state"] != made["client_state"]
    assert ann.sql(ROWS) == [[new["id"], 0, None, True]]
    assert ann.sql(DUE) == [[True]]


def test_a_mailbox_that_was_created_again_gets_a_subscription_of_its_own(ann: Subscribed) -> None:
    tick()
    [old] = ann.alive()
    OutlookMailboxEditor(ann.microsoft.service.find_mailbox(ANN)).recreate_empty_mailbox()
    ann.renew_now()

    assert tick() == ONE_MADE
    assert ann.known() == ann.alive() != [old]


def test_an_account_that_fails_bars_no_other_and_its_syncs_are_left_alone(
    ann: Subscribed, connect_account: Connect
) -> None:
    stranger = connect_account(user_id="bob", provider_account_id="bob")
    ann.sql(MIRRORED)
    account = (
        "SELECT status, sync_status, failures, last_error, next_sync_at"
        " FROM mailsync.email_accounts WHERE id = cast(:id AS uuid)"
    )
    before = ann.sql(account, id=stranger)

    assert tick() == {"renewed": 1, "failed": 1}

    failed = "SELECT failures, last_error FROM mailsync.provider_subscriptions WHERE failures > 0"
    assert ann.sql(failed) == [[1, "AccountNotConnected"]]
    assert ann.sql(account, id=stranger) == before
    assert tick() == NO_WORK


def test_an_address_that_the_provider_cannot_reach_is_tried_ever_more_rarely(
    ann: Subscribed,
) -> None:
    ann.subscriber.echoes = False
    waits = []
    for _ in range(3):
        assert tick() == ONE_FAILED
        wait = "SELECT extract(epoch FROM next_try_at - now()) FROM mailsync.provider_subscriptions"
        waits.append(float(ann.sql(wait)[0][0]))
        ann.renew_now()

    assert ann.sql(ROWS)[0][:3] == [None, 3, "ProviderRejected"]
    assert waits[0] < waits[1] < waits[2]
    ann.subscriber.echoes = True
    assert tick() == ONE_MADE


def test_without_a_public_address_push_is_off_and_says_so(
    ann: Subscribed, environment: pytest.MonkeyPatch, log: StringIO
) -> None:
    environment.delenv("PUBLIC_URL")
    load_settings.cache_clear()

    assert tick() == NO_WORK
    assert ann.sql(ROWS) == []
    assert log.getvalue().count("push_is_off") == 1
