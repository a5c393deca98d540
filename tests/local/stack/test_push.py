"""A mail arrives, the provider calls the webhook, and a check mirrors it: without any request."""

import httpx
import pytest

from localdev.demo_account import connect
from tests.local.mirror import Mirror, when

DUE = "SELECT next_sync_at <= now() FROM mailsync.email_accounts"
NOT_DUE = "UPDATE mailsync.email_accounts SET next_sync_at = now() + interval '1 hour' RETURNING 1"


@pytest.fixture
def pushed(mirror: Mirror) -> Mirror:
    """Its mailbox is up to date, not due, and the provider notifies us of changes."""
    mirror.finished()
    mirror.invoke("renew-subscriptions")
    mirror.synced()
    mirror.rows(NOT_DUE)
    return mirror


def subjects(mirror: Mirror) -> set[str]:
    return {subject for (subject,) in mirror.rows("SELECT subject FROM mailsync.emails")}


def changes_seen(mirror: Mirror) -> int:
    """Return the number of the last change that the provider has considered for a notification."""
    return int(mirror.control("GET", "subscriptions")[0]["seen"])


def test_a_mail_that_arrives_is_mirrored_without_a_request_and_a_tick(pushed: Mirror) -> None:
    pushed.simulate("deliver", subject="Without a request")

    when(lambda: "Without a request" in subjects(pushed))
    assert pushed.finished()["lastError"] is None


def test_a_lost_notification_costs_time_and_no_mail(pushed: Mirror) -> None:
    before = changes_seen(pushed)
    pushed.control("POST", "switches", notifications_lost=True)
    pushed.simulate("deliver", subject="Without a notification")
    when(lambda: changes_seen(pushed) > before)
    pushed.control("POST", "switches", notifications_lost=False)
    assert pushed.rows(DUE) == [[False]]
    pushed.rows("UPDATE mailsync.email_accounts SET next_sync_at = now() RETURNING 1")

    pushed.invoke("start-due-syncs")

    when(lambda: "Without a notification" in subjects(pushed))
    pushed.finished()


def test_a_disconnected_mailbox_is_not_notified_of_any_more_and_connected_again_it_is(
    pushed: Mirror,
) -> None:
    provider, account = pushed.stack.provider, pushed.account
    assert len(pushed.control("GET", "subscriptions")) == 1

    response = httpx.delete(
        f"{account.api_url}/api/email/accounts/{account.id}",
        headers=account.authorization_headers,
        timeout=30,
    )

    assert (response.status_code, response.json()["status"]) == (200, "disconnected")
    assert pushed.control("GET", "subscriptions") == []
    assert connect(account.api_url, provider, pushed.stack.token()).id == account.id
    pushed.finished()
    pushed.invoke("renew-subscriptions")
    assert len(pushed.control("GET", "subscriptions")) == 1
    assert pushed.divergences() == []
