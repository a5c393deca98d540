"""Notifications of a mailbox that its organisation lets the app read, without a sign-in."""

from typing import Any

import pytest

from tests.api.sign_in import ANN
from tests.api.subscriptions import (
    DUE,
    NO_WORK,
    NOT_DUE,
    ONE_FAILED,
    ONE_MADE,
    TOKEN_ENDS,
    Subscribed,
    tick,
)


@pytest.fixture
def ann(mailbox: Subscribed) -> Subscribed:
    """Mirrored, without a subscription yet."""
    mailbox.connect_for_organisation()
    return mailbox


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed"])
def test_each_lifecycle_event_is_acted_on(ann: Subscribed, event: str) -> None:
    user_id = ann.microsoft.service.mailbox(ANN).user_id
    assert tick() == ONE_MADE
    (before,) = ann.microsoft.notifier.subscriptions()
    assert before["resource"] == f"/users/{user_id}/messages"
    ann.sql("UPDATE mailsync.provider_subscriptions SET next_try_at = now() + interval '1 day'")
    ann.sql(NOT_DUE)
    ann.microsoft.notifier.send_lifecycle_event(user_id, event)
    assert ann.subscriber.receives(1)

    posted = {"value": ann.subscriber.items}
    assert ann.api("POST /api/webhooks/microsoft", user=None, body=posted).status == 202

    assert ann.sql(DUE) == [[event != "reauthorizationRequired"]]
    assert tick() == (NO_WORK if event == "missed" else ONE_MADE)
    (after,) = ann.microsoft.notifier.subscriptions()
    is_same = after["id"] == before["id"]
    assert (is_same, after["authorized"]) == (event != "subscriptionRemoved", 1)


@pytest.mark.parametrize(
    "switches", [{"app_roles": ["User.Read.All"]}, {"app_mailboxes": ["bo@example.org"]}]
)
def test_without_the_permission_the_schedule_goes_on_alone(
    ann: Subscribed, switches: dict[str, Any]
) -> None:
    ann.sql(TOKEN_ENDS)
    ann.microsoft.service.set_behaviour(**switches)

    assert tick() == ONE_FAILED

    failure = "SELECT remote_id, failures, last_error FROM mailsync.provider_subscriptions"
    assert ann.sql(failure) == [[None, 1, "ProviderRejected"]]
    assert ann.sql("SELECT status, failures FROM mailsync.email_accounts") == [["active", 0]]


def test_one_of_a_person_outlives_the_return_of_the_application(ann: Subscribed) -> None:
    """A person sees no subscription that the application made for itself; the application sees
    those of both."""
    assert tick() == ONE_MADE
    of_the_application = ann.known()
    ann.sign_in("ann")
    ann.renew_now()
    assert tick() == ONE_MADE
    of_the_person = ann.known()

    ann.connect_for_organisation()
    ann.renew_now()

    assert tick() == ONE_MADE
    assert ann.known() == of_the_person != of_the_application
