"""Subscriptions under Graph's documented rules, and the notifications that they bring."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.graph_client import a_mail, app_client, error_of, graph_client
from tests.providers.simulators.subscriber import Subscriber

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


def test_arriving_reading_and_deleting_are_notified_and_another_mailbox_is_not(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox, subscriber: Subscriber
) -> None:
    created = subscribe(graph, subscriber)

    simulators.add_mailbox("other@example.com").deliver(a_mail())
    message_id = mailbox.deliver(a_mail())
    mailbox.update(message_id, isRead=True)
    mailbox.purge(message_id)

    assert subscriber.receives(3)
    assert [each["changeType"] for each in subscriber.items] == ["created", "updated", "deleted"]
    assert subscriber.handshakes == 2
    item = subscriber.items[0]
    assert (item["subscriptionId"], item["clientState"]) == (created["id"], SECRET)
    assert item["resourceData"]["id"] == message_id


def test_a_subscription_of_a_folder_is_silent_about_others(
    graph: httpx.Client, mailbox: Mailbox, subscriber: Subscriber
) -> None:
    subscribe(graph, subscriber, resource="me/mailFolders('inbox')/messages")

    mailbox.deliver(a_mail(), "archive")
    message_id = mailbox.deliver(a_mail())

    assert subscriber.receives(1)
    assert [each["resourceData"]["id"] for each in subscriber.items] == [message_id]


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


def test_an_endpoint_that_does_not_echo_the_token_is_refused(
    graph: httpx.Client, subscriber: Subscriber
) -> None:
    subscriber.echoes = False

    response = graph.post("/subscriptions", json=wanted(subscriber))

    assert error_of(response) == (400, "ValidationError")


def test_a_short_one_lasts_45_minutes_and_can_be_renewed_and_read(
    graph: httpx.Client, subscriber: Subscriber
) -> None:
    created = subscribe(graph, subscriber, expirationDateTime=in_minutes(1))
    assert created["expirationDateTime"] > in_minutes(44)

    path = f"/subscriptions/{created['id']}"
    renewed = graph.patch(path, json={"expirationDateTime": in_minutes(4_200)})

    assert renewed.status_code == 200
    assert renewed.json()["expirationDateTime"] > in_minutes(4_190)
    assert graph.get(path).json()["resource"] == "/me/messages"
    assert [each["id"] for each in graph.get("/subscriptions").json()["value"]] == [created["id"]]


def test_a_deleted_one_is_gone_and_that_of_another_person_never_was(
    simulators: Simulators, graph: httpx.Client, subscriber: Subscriber
) -> None:
    path = f"/subscriptions/{subscribe(graph, subscriber)['id']}"
    with graph_client(simulators, simulators.add_mailbox("bob@example.com")) as bob:
        assert error_of(bob.delete(path)) == (404, "ResourceNotFound")

    assert graph.delete(path).status_code == 204
    assert error_of(graph.get(path)) == (404, "ResourceNotFound")


def test_the_application_itself_subscribes_to_any_mailbox_but_names_it(
    simulators: Simulators, mailbox: Mailbox, subscriber: Subscriber
) -> None:
    resource = f"/users/{mailbox.user_id}/messages"
    with app_client(simulators) as app:
        created = subscribe(app, subscriber, resource=resource)
        unnamed = app.post("/subscriptions", json=wanted(subscriber))
        unknown = app.post("/subscriptions", json=wanted(subscriber, resource="/users/x/messages"))
        message_id = mailbox.deliver(a_mail())
        assert subscriber.receives(1)

    assert subscriber.items[0]["resourceData"]["id"] == message_id
    assert created["creatorId"] != mailbox.user_id
    assert error_of(unnamed) == (400, "BadRequest")
    assert error_of(unknown) == (404, "ErrorInvalidUser")


def test_a_person_does_not_see_what_the_application_made_and_it_sees_those_of_persons(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox, subscriber: Subscriber
) -> None:
    of_the_person = subscribe(graph, subscriber)["id"]
    with app_client(simulators) as app:
        resource = f"/users/{mailbox.user_id}/messages"
        of_the_app = subscribe(app, subscriber, resource=resource)["id"]

        assert error_of(graph.get(f"/subscriptions/{of_the_app}")) == (404, "ResourceNotFound")
        listed = graph.get("/subscriptions").json()["value"]
        assert [each["id"] for each in listed] == [of_the_person]
        assert app.delete(f"/subscriptions/{of_the_person}").status_code == 204
        assert app.delete(f"/subscriptions/{of_the_app}").status_code == 204


def test_the_application_lists_those_of_all_mailboxes_page_by_page_and_no_secret(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox, subscriber: Subscriber
) -> None:
    for each in simulators.notifier.subscriptions():
        simulators.notifier.expire_subscriptions(each["mailbox_id"])
    simulators.service.set_behaviour(subscriptions_page=2)
    bob = simulators.add_mailbox("bob@example.com")
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
    simulators.service.set_behaviour(app_roles=["User.Read.All"])
    with app_client(simulators) as app:
        assert error_of(app.get("/subscriptions")) == (403, "ErrorAccessDenied")


@pytest.mark.parametrize(
    "behaviour", [{"app_roles": ["User.Read.All"]}, {"app_mailboxes": ["bo@example.com"]}]
)
def test_the_application_must_be_allowed_to_read_the_mailbox(
    simulators: Simulators, mailbox: Mailbox, subscriber: Subscriber, behaviour: Json
) -> None:
    simulators.service.set_behaviour(**behaviour)
    resource = f"/users/{mailbox.user_id}/messages"

    with app_client(simulators) as app:
        response = app.post("/subscriptions", json=wanted(subscriber, resource=resource))

    assert error_of(response) == (403, "ErrorAccessDenied")


def test_an_expired_one_says_nothing_and_cannot_be_renewed(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox, subscriber: Subscriber
) -> None:
    path = f"/subscriptions/{subscribe(graph, subscriber)['id']}"
    simulators.notifier.expire_subscriptions(mailbox.user_id)

    mailbox.deliver(a_mail("unnoticed"))
    subscribe(graph, subscriber)
    noticed = mailbox.deliver(a_mail("noticed"))

    assert subscriber.receives(1)
    assert [each["resourceData"]["id"] for each in subscriber.items] == [noticed]
    renewal = graph.patch(path, json={"expirationDateTime": in_minutes(60)})
    assert error_of(renewal) == (404, "ResourceNotFound")


def test_what_is_refused_is_sent_again(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox, subscriber: Subscriber
) -> None:
    simulators.service.set_behaviour(notification_retry_s=0.05)
    subscribe(graph, subscriber)
    subscriber.statuses.extend([503, 429])

    mailbox.deliver(a_mail())

    assert subscriber.receives(1)
    simulators.notifier.deliver_pending()  # an attempt is noted after its response
    sent = [each for each in simulators.notifier.deliveries if each["url"] == subscriber.url]
    assert [each["status"] for each in sent] == [503, 429, 202]


def test_notifications_can_be_lost(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox, subscriber: Subscriber
) -> None:
    subscribe(graph, subscriber)
    simulators.service.set_behaviour(notifications_lost=True)
    mailbox.deliver(a_mail("lost"))
    simulators.notifier.deliver_pending()
    simulators.service.set_behaviour(notifications_lost=False)

    message_id = mailbox.deliver(a_mail("received"))

    assert subscriber.receives(1)
    assert [each["resourceData"]["id"] for each in subscriber.items] == [message_id]


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed"])
def test_a_lifecycle_event_is_told_with_the_secret(
    simulators: Simulators,
    graph: httpx.Client,
    mailbox: Mailbox,
    subscriber: Subscriber,
    event: str,
) -> None:
    created = subscribe(graph, subscriber)

    assert simulators.notifier.send_lifecycle_event(mailbox.user_id, event) == 1

    assert subscriber.receives(1)
    (item,) = subscriber.items
    assert (item["lifecycleEvent"], item["clientState"]) == (event, SECRET)
    still_there = graph.get(f"/subscriptions/{created['id']}").status_code == 200
    assert still_there == (event != "subscriptionRemoved")


def test_one_that_must_be_authorized_again_is_silent_until_it_is(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox, subscriber: Subscriber
) -> None:
    path = f"/subscriptions/{subscribe(graph, subscriber)['id']}"
    simulators.notifier.send_lifecycle_event(mailbox.user_id, "reauthorizationRequired")
    mailbox.deliver(a_mail("unnoticed"))
    simulators.notifier.deliver_pending()

    response = graph.patch(path, json={"expirationDateTime": in_minutes(60)})
    noticed = mailbox.deliver(a_mail("noticed"))

    assert response.status_code == 200
    assert subscriber.receives(2)
    assert subscriber.items[-1]["resourceData"]["id"] == noticed


def test_a_subscription_and_what_it_has_not_delivered_survive_a_restart(
    tmp_path: Path, subscriber: Subscriber
) -> None:
    with Simulators(tmp_path) as before:
        mailbox = before.add_mailbox("ada@example.com")
        before.service.set_behaviour(notification_retry_s=0.3)
        with graph_client(before, mailbox) as graph:
            created = subscribe(graph, subscriber)
        subscriber.statuses.append(503)
        mailbox.deliver(a_mail("refused once"))
        before.notifier.deliver_pending()
    with Simulators(tmp_path) as after:
        assert subscriber.receives(1)
        after.service.mailbox("ada@example.com").deliver(a_mail("new"))

        assert subscriber.receives(2)
    assert {each["subscriptionId"] for each in subscriber.items} == {created["id"]}
