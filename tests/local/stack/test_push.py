"""A mail arrives, the provider calls the webhook, the next tick mirrors it: without any request."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from localdev.demo_account import connect
from localdev.simulators.service import TENANT_ID
from tests.local.mirror import Mirror, when

DUE = "SELECT next_sync_at <= now() FROM mailsync.email_accounts"
NOT_DUE = "UPDATE mailsync.email_accounts SET next_sync_at = now() + interval '1 hour' RETURNING 1"
RUNS = "SELECT count(*) FROM mailsync.sync_runs"


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


def test_a_mail_that_arrives_is_mirrored_by_the_next_tick_without_a_request(
    pushed: Mirror,
) -> None:
    pushed.simulate("deliver", subject="Without a request")
    when(lambda: pushed.rows(DUE) == [[True]])

    assert pushed.invoke("start-due-syncs")["due"] == 1

    when(lambda: "Without a request" in subjects(pushed))
    assert pushed.finished()["lastError"] is None


def test_a_lost_notification_costs_time_and_no_mail(pushed: Mirror) -> None:
    pushed.control("POST", "switches", notifications_lost=True)
    pushed.simulate("deliver", subject="Without a notification")
    time.sleep(0.5)
    pushed.control("POST", "switches", notifications_lost=False)
    assert pushed.rows(DUE) == [[False]]
    pushed.rows("UPDATE mailsync.email_accounts SET next_sync_at = now() RETURNING 1")

    pushed.invoke("start-due-syncs")

    when(lambda: "Without a notification" in subjects(pushed))
    pushed.finished()


def test_a_stranger_s_notification_comes_through_the_front_and_changes_nothing(
    pushed: Mirror,
) -> None:
    subscription = pushed.control("GET", "subscriptions")[0]
    forged = {"subscriptionId": subscription["id"], "clientState": "guessed"}

    response = httpx.post(
        f"{pushed.stack.api_url}/api/webhooks/microsoft", json={"value": [forged]}
    )

    assert response.status_code == 202
    assert pushed.rows(DUE) == [[False]]
    assert pushed.invoke("start-due-syncs")["due"] == 0


def test_a_disconnected_mailbox_is_not_notified_of_any_more_and_connected_again_it_is(
    pushed: Mirror,
) -> None:
    provider, account = pushed.stack.provider, pushed.account
    assert len(pushed.control("GET", "subscriptions")) == 1

    response = httpx.delete(
        f"{account.api_url}/api/email/accounts/{account.id}", headers=account.headers, timeout=30
    )

    assert (response.status_code, response.json()["status"]) == (200, "disconnected")
    assert pushed.control("GET", "subscriptions") == []
    assert connect(account.api_url, provider, pushed.stack.token()).id == account.id
    pushed.finished()
    pushed.invoke("renew-subscriptions")
    assert len(pushed.control("GET", "subscriptions")) == 1
    assert pushed.divergences() == []


def test_a_mailbox_of_an_organisation_is_connected_notified_of_and_purged_with_nobody_signed_in(
    pushed: Mirror,
) -> None:
    stack, address = pushed.stack, "office@example.org"
    user = pushed.control("POST", "mailboxes", address=address, display_name="O")["id"]
    body = {"tenantId": TENANT_ID, "emailAddress": address}
    with httpx.Client(
        base_url=stack.api_url, headers=pushed.headers_of("root", mailsync_admin=True), timeout=30
    ) as admin:
        account = admin.post("/api/email/accounts/microsoft", json=body).json()
        status = f"/api/email/sync?accountId={account['accountId']}"
        when(lambda: bool(admin.get(status).json()["initialSyncCompleted"]))
        pushed.invoke("renew-subscriptions")
        when(lambda: admin.get(status).json()["runId"] is None)
        (made,) = subscriptions(pushed, user)
        pushed.rows(NOT_DUE)

        pushed.control("POST", "deliver", mailbox=address, subject="To the office")
        when(lambda: [True] in pushed.rows(DUE))
        pushed.invoke("start-due-syncs")
        when(lambda: "To the office" in subjects(pushed))
        purged = admin.delete(f"/api/email/accounts/{account['accountId']}?data=purge")

    assert made["resource"] == f"/users/{user}/messages"
    assert (purged.status_code, subscriptions(pushed, user)) == (200, [])
    assert len(pushed.rows(DUE)) == 1


def subscriptions(mirror: Mirror, user_id: str) -> list[dict[str, Any]]:
    found = mirror.control("GET", "subscriptions")
    return [each for each in found if each["mailbox_id"] == user_id]


def test_a_burst_of_notifications_is_one_sync_and_the_api_answers_meanwhile(
    pushed: Mirror,
) -> None:
    subscription = pushed.control("GET", "subscriptions")[0]
    notification = {
        "subscriptionId": subscription["id"],
        "clientState": subscription["client_state"],
    }
    before = pushed.rows(RUNS)[0][0]
    pushed.simulate("deliver", subject="Notified a thousand times")

    with httpx.Client(base_url=pushed.stack.api_url, timeout=60) as client:
        with ThreadPoolExecutor(4) as pool:
            send = [
                pool.submit(client.post, "/api/webhooks/microsoft", json={"value": [notification]})
                for _ in range(1000)
            ]
            assert client.get("/api/health").status_code == 200
        assert {each.result().status_code for each in send} == {202}

    assert [pushed.invoke("start-due-syncs")["due"], pushed.invoke("start-due-syncs")["due"]] == [
        1,
        0,
    ]
    when(lambda: "Notified a thousand times" in subjects(pushed))
    pushed.finished()
    assert pushed.rows(RUNS)[0][0] == before + 1


def test_ten_megabytes_are_refused_and_the_api_stays_up(pushed: Mirror) -> None:
    url = f"{pushed.stack.api_url}/api/webhooks/microsoft"

    answers = [httpx.post(url, content=b"x" * size).status_code for size in (3_000_000, 10_500_000)]

    assert answers == [413, 413]
    assert httpx.get(f"{pushed.stack.api_url}/api/health").status_code == 200
