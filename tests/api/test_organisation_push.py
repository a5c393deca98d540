"""Notifications of a mailbox that its organisation lets the app read: nobody is signed in."""

from collections.abc import Iterator
from typing import Any

import pytest

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.service import TENANT_ID
from mailsync.model import AccountId
from tests.api.conftest import Ask, Sql
from tests.api.connecting import BEGIN, CALLBACK, choose, cookie_of
from tests.api.renewing import NOTHING, ONE_FAILED, ONE_MADE, tick
from tests.api.requests import a_request, call
from tests.providers.simulators.graph_client import a_mail
from tests.providers.simulators.subscriber import Subscriber

CONNECT = "POST /api/email/accounts/microsoft"
BODY = {"tenantId": TENANT_ID, "emailAddress": "ann@example.org", "userId": "ann"}
DUE = "SELECT next_sync_at <= now() FROM mailsync.email_accounts"
REST = (
    "UPDATE mailsync.provider_subscriptions SET next_try_at = now();"
    "UPDATE mailsync.email_credentials SET access_expires_at = now();"
    "UPDATE mailsync.email_accounts SET next_sync_at = now() + interval '1 hour'"
)
CHANNEL = "SELECT remote_id, failures, last_error FROM mailsync.provider_subscriptions"


@pytest.fixture
def subscriber(environment: pytest.MonkeyPatch) -> Iterator[Subscriber]:
    """Where the provider is told to call us."""
    subscriber = Subscriber()
    environment.setenv("PUBLIC_URL", subscriber.url.removesuffix("/hook"))
    environment.setenv("MICROSOFT_TENANTS", TENANT_ID)
    yield subscriber
    subscriber.stop()


@pytest.fixture
def ask(subscriber: Subscriber, ask_connect: Ask, identity: Simulators) -> Iterator[Ask]:
    yield ask_connect
    for each in identity.notifier.subscriptions():
        identity.notifier.expire(each["mailbox_id"])


@pytest.fixture
def account_id(ask: Ask) -> AccountId:
    """Connected by an administrator; its first sync has not ended."""
    return AccountId(ask(CONNECT, body=BODY, admin=True, user="root").json["accountId"])


@pytest.fixture
def mailbox(account_id: AccountId, identity: Simulators, sql: Sql) -> Mailbox:
    """The same after its first sync, from a tick on that had the provider notify us."""
    sql("UPDATE mailsync.email_accounts SET initial_sync_completed = true")
    assert tick() == ONE_MADE
    sql(REST)
    return identity.service.mailbox("ann@example.org")


def notify(items: list[dict[str, Any]]) -> None:
    """What the provider has posted arrives at the webhook."""
    from handlers.webhook import handler

    route = "POST /api/webhooks/microsoft"
    assert call(handler, a_request(route, user=None, body={"value": items})).status == 202


def test_it_is_subscribed_to_by_its_path_after_the_first_sync_and_due_with_a_change(
    account_id: AccountId, identity: Simulators, subscriber: Subscriber, sql: Sql
) -> None:
    assert tick() == NOTHING
    sql("UPDATE mailsync.email_accounts SET initial_sync_completed = true")
    assert tick() == ONE_MADE
    sql(REST)

    mailbox = identity.service.mailbox("ann@example.org")
    mailbox.deliver(a_mail())

    (made,) = identity.notifier.subscriptions()
    assert made["resource"] == f"/users/{mailbox.user_id}/messages"
    assert subscriber.receives(1)
    assert sql(DUE) == [[False]]
    notify(subscriber.items)
    assert sql(DUE) == [[True]]


def test_it_is_renewed_with_a_new_token_of_the_application(
    mailbox: Mailbox, identity: Simulators, sql: Sql
) -> None:
    before = identity.notifier.subscriptions()[0]
    identity.service.database.write("UPDATE subscription SET expires_at = expires_at - 3600")

    assert tick() == ONE_MADE

    (renewed,) = identity.notifier.subscriptions()
    assert renewed["id"] == before["id"]
    assert renewed["expires_at"] > before["expires_at"] - 3600
    assert sql(DUE) == [[False]]


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed"])
def test_what_the_provider_says_of_its_life_is_answered(
    mailbox: Mailbox, identity: Simulators, subscriber: Subscriber, sql: Sql, event: str
) -> None:
    sql("UPDATE mailsync.provider_subscriptions SET next_try_at = now() + interval '1 day'")
    before = identity.notifier.subscriptions()[0]
    identity.notifier.lifecycle(mailbox.user_id, event)
    assert subscriber.receives(1)

    notify(subscriber.items)

    assert sql(DUE) == [[event != "reauthorizationRequired"]]
    assert tick() == (NOTHING if event == "missed" else ONE_MADE)
    (after,) = identity.notifier.subscriptions()
    assert (after["id"] == before["id"], after["authorized"]) == (
        event != "subscriptionRemoved",
        1,
    )


@pytest.mark.parametrize(
    "switches", [{"app_roles": ["User.Read.All"]}, {"app_mailboxes": ["bo@example.org"]}]
)
def test_where_the_application_may_not_the_schedule_goes_on_alone(
    account_id: AccountId, identity: Simulators, sql: Sql, switches: dict[str, Any]
) -> None:
    sql("UPDATE mailsync.email_accounts SET initial_sync_completed = true")
    sql("UPDATE mailsync.email_credentials SET access_expires_at = now()")
    identity.service.set_behaviour(**switches)

    assert tick() == ONE_FAILED

    assert sql(CHANNEL) == [[None, 1, "ProviderRejected"]]
    assert sql("SELECT status, failures FROM mailsync.email_accounts") == [["active", 0]]


def test_disconnecting_ends_it_even_with_a_token_that_must_be_asked_for(
    ask: Ask, account_id: AccountId, mailbox: Mailbox, identity: Simulators, sql: Sql
) -> None:
    assert ask(f"DELETE /api/email/accounts/{account_id}").status == 200

    assert identity.notifier.subscriptions() == []
    assert sql(CHANNEL) == []


def test_it_outlives_a_change_of_who_lets_the_application_in(
    ask: Ask, mailbox: Mailbox, identity: Simulators, sql: Sql
) -> None:
    """A person sees no subscription that the application made for itself; the application sees
    those of both."""
    of_the_application = identity.notifier.subscriptions()[0]["id"]
    begun = ask(BEGIN)
    query = choose(identity, begun, account="ann@example.org")
    ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)
    sql(REST)
    assert tick() == ONE_MADE
    of_the_person = sql(CHANNEL)[0][0]

    ask(CONNECT, body=BODY, admin=True, user="root")
    sql(REST)

    assert tick() == ONE_MADE
    assert sql(CHANNEL)[0][0] == of_the_person != of_the_application
