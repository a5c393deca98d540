"""Subscriptions under Graph's documented rules, and the notifications that they bring."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.graph_client import app_client, error_of, graph_client
from tests.providers.simulators.subscriber import Subscriber
from tests.support.mail import a_mail

SECRET = "known to the two of us"
Json = dict[str, Any]


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    yield subscriber
    subscriber.stop()


def in_minutes(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def wanted(subscriber: Subscriber, **changes: Any) -> Json:
    return {
        "changeType": "created,updated,deleted",
        "resource": "/me/messages",
        "notificationUrl": subscriber.url,
        "lifecycleNotificationUrl": subscriber.url,
        "clientState": SECRET,
        "expirationDateTime": in_minutes(4_200),
        **changes,
    }


def subscribe(graph: httpx.Client, subscriber: Subscriber, **changes: Any) -> Json:
    response = graph.post("/subscriptions", json=wanted(subscriber, **changes))
    assert response.status_code == 201, response.text
    created: Json = response.json()
    return created


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"clientState": "x" * 129}, "InvalidRequest"),
        ({"expirationDateTime": in_minutes(4_300)}, "ExtensionError"),
        ({"expirationDateTime": in_minutes(-1)}, "InvalidRequest"),
        ({"expirationDateTime": None}, "InvalidRequest"),
        ({"notificationUrl": "http://example.com/hook"}, "InvalidRequest"),
        ({"notificationUrl": "http://127.0.0.1:1/hook"}, "ValidationError"),
        ({"lifecycleNotificationUrl": "http://127.0.0.1:1/hook"}, "ValidationError"),
        ({"resource": "/me/events"}, "InvalidRequest"),
        ({"changeType": "opened"}, "InvalidRequest"),
    ],
)
def test_what_the_service_refuses_is_refused(
    graph: httpx.Client, subscriber: Subscriber, changes: Json, code: str
) -> None:
    response = graph.post("/subscriptions", json=wanted(subscriber, **changes))

    assert error_of(response) == (400, code)


def test_the_application_lists_those_of_all_mailboxes_page_by_page_and_no_secret(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox, subscriber: Subscriber
) -> None:
    for each in simulators.notifier.list_active_subscriptions():
        simulators.notifier.make_subscriptions_expire_now(each["mailbox_id"])
    simulators.service.set_microsoft_behaviour_switches(subscriptions_per_page=2)
    bob = simulators.find_or_create_mailbox("bob@example.com")
    expected = [subscribe(graph, subscriber)["id"] for _ in range(3)]
    with app_client(simulators) as app:
        resource = f"/users/{bob.user_id}/messages"
        expected.append(subscribe(app, subscriber, resource=resource)["id"])

        first = app.get("/subscriptions").json()
        second = app.get(first["@odata.nextLink"]).json()

    listed = [*first["value"], *second["value"]]
    assert "@odata.nextLink" not in second
    assert [each["id"] for each in listed] == expected
    assert listed[-1]["resource"] == f"users/{bob.user_id}/messages"
    assert {each["clientState"] for each in listed} == {None}
    own = graph.get(graph.get("/subscriptions").json()["@odata.nextLink"]).json()
    assert [each["id"] for each in own["value"]] == expected[2:3]


def test_a_list_can_be_neither_filtered_nor_read_without_the_right_to_read_mail(
    simulators: Simulators, graph: httpx.Client
) -> None:
    assert error_of(graph.get("/subscriptions?$top=5")) == (400, "BadRequest")
    simulators.service.set_microsoft_behaviour_switches(app_roles=["User.Read.All"])
    with app_client(simulators) as app:
        assert error_of(app.get("/subscriptions")) == (403, "ErrorAccessDenied")


def test_a_subscription_and_what_it_has_not_delivered_survive_a_restart(
    tmp_path: Path, subscriber: Subscriber
) -> None:
    with Simulators(tmp_path) as before:
        mailbox = before.find_or_create_mailbox("ada@example.com")
        before.service.set_microsoft_behaviour_switches(notification_retry_s=0.3)
        with graph_client(before, mailbox) as graph:
            created = subscribe(graph, subscriber)
        subscriber.statuses.append(503)
        mailbox.deliver_message(a_mail("refused once"))
        before.notifier.deliver_pending_notifications()
    with Simulators(tmp_path) as after:
        assert subscriber.receives(1)
        after.service.find_mailbox("ada@example.com").deliver_message(a_mail("new"))

        assert subscriber.receives(2)
    assert {each["subscriptionId"] for each in subscriber.items} == {created["id"]}
