"""Notifications of a mailbox that its organisation lets the app read, without a sign-in."""

from typing import Any

import pytest

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from mailsync.model import AccountId
from tests.api.requests import Api, Sql
from tests.api.sign_in import ANN, sign_in
from tests.api.subscriptions import (
    DUE,
    MIRRORED,
    NO_WORK,
    NOT_DUE,
    ONE_FAILED,
    ONE_MADE,
    RENEW_NOW,
    connect_for_organisation,
    tick,
)
from tests.providers.simulators.graph_client import a_mail
from tests.providers.simulators.subscriber import Subscriber

TOKEN_ENDS = "UPDATE mailsync.email_credentials SET access_expires_at = now()"
REST = f"{RENEW_NOW};{TOKEN_ENDS};{NOT_DUE}"
SUBSCRIPTIONS = "SELECT remote_id, failures, last_error FROM mailsync.provider_subscriptions"


@pytest.fixture
def account_id(api: Api, microsoft: Simulators, subscriber: Subscriber) -> AccountId:
    """Connected by an administrator; its first sync has not ended."""
    return connect_for_organisation(api)


@pytest.fixture
def mailbox(account_id: AccountId, microsoft: Simulators, sql: Sql) -> Mailbox:
    """The same after its first sync, with a subscription that is to be renewed."""
    sql(MIRRORED)
    assert tick() == ONE_MADE
    sql(REST)
    return microsoft.service.mailbox(ANN)


def notify(api: Api, items: list[dict[str, Any]]) -> None:
    """What the provider has posted arrives at the webhook."""
    assert api("POST /api/webhooks/microsoft", user=None, body={"value": items}).status == 202


def test_a_mirrored_mailbox_is_subscribed_to_by_its_path_and_due_with_a_change(
    api: Api, account_id: AccountId, microsoft: Simulators, subscriber: Subscriber, sql: Sql
) -> None:
    assert tick() == NO_WORK
    sql(MIRRORED)
    assert tick() == ONE_MADE
    sql(REST)

    mailbox = microsoft.service.mailbox(ANN)
    mailbox.deliver(a_mail())

    (made,) = microsoft.notifier.subscriptions()
    assert made["resource"] == f"/users/{mailbox.user_id}/messages"
    assert subscriber.receives(1)
    assert sql(DUE) == [[False]]
    notify(api, subscriber.items)
    assert sql(DUE) == [[True]]


def test_a_new_app_token_renews_it(mailbox: Mailbox, microsoft: Simulators, sql: Sql) -> None:
    before = microsoft.notifier.subscriptions()[0]
    microsoft.service.database.write("UPDATE subscription SET expires_at = expires_at - 3600")

    assert tick() == ONE_MADE

    (renewed,) = microsoft.notifier.subscriptions()
    assert renewed["id"] == before["id"]
    assert renewed["expires_at"] > before["expires_at"] - 3600
    assert sql(DUE) == [[False]]


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed"])
def test_each_lifecycle_event_is_acted_on(
    *,
    api: Api,
    mailbox: Mailbox,
    microsoft: Simulators,
    subscriber: Subscriber,
    sql: Sql,
    event: str,
) -> None:
    sql("UPDATE mailsync.provider_subscriptions SET next_try_at = now() + interval '1 day'")
    before = microsoft.notifier.subscriptions()[0]
    microsoft.notifier.send_lifecycle_event(mailbox.user_id, event)
    assert subscriber.receives(1)

    notify(api, subscriber.items)

    assert sql(DUE) == [[event != "reauthorizationRequired"]]
    assert tick() == (NO_WORK if event == "missed" else ONE_MADE)
    (after,) = microsoft.notifier.subscriptions()
    is_same = after["id"] == before["id"]
    assert (is_same, after["authorized"]) == (event != "subscriptionRemoved", 1)


@pytest.mark.parametrize(
    "switches", [{"app_roles": ["User.Read.All"]}, {"app_mailboxes": ["bo@example.org"]}]
)
def test_without_the_permission_the_schedule_goes_on_alone(
    account_id: AccountId, microsoft: Simulators, sql: Sql, switches: dict[str, Any]
) -> None:
    sql(f"{MIRRORED};{TOKEN_ENDS}")
    microsoft.service.set_behaviour(**switches)

    assert tick() == ONE_FAILED

    assert sql(SUBSCRIPTIONS) == [[None, 1, "ProviderRejected"]]
    assert sql("SELECT status, failures FROM mailsync.email_accounts") == [["active", 0]]


def test_disconnecting_ends_it_even_with_a_token_that_must_be_requested(
    api: Api, account_id: AccountId, mailbox: Mailbox, microsoft: Simulators, sql: Sql
) -> None:
    assert api(f"DELETE /api/email/accounts/{account_id}").status == 200

    assert microsoft.notifier.subscriptions() == []
    assert sql(SUBSCRIPTIONS) == []


def test_one_of_a_person_outlives_the_return_of_the_application(
    api: Api, mailbox: Mailbox, microsoft: Simulators, sql: Sql
) -> None:
    """A person sees no subscription that the application made for itself; the application sees
    those of both."""
    of_the_application = microsoft.notifier.subscriptions()[0]["id"]
    sign_in(api, microsoft)
    sql(REST)
    assert tick() == ONE_MADE
    of_the_person = sql(SUBSCRIPTIONS)[0][0]

    connect_for_organisation(api)
    sql(REST)

    assert tick() == ONE_MADE
    assert sql(SUBSCRIPTIONS)[0][0] == of_the_person != of_the_application
