"""Watches on a mailbox, and the messages that Pub/Sub posts about its changes."""

import time
from base64 import b64decode
from collections import deque
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from localdev.http_server import Request, Response, Server
from tests.providers.simulators.gmail.client import GmailClient
from tests.support.mail import a_mail

TOPIC = "projects/simulated-project/topics/gmail"


class Receiver:
    """An application that Pub/Sub posts to. `statuses` are its next answers, then 204."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.statuses: deque[int] = deque()
        self.server = Server(self._answer, port=0).start()
        self.url = f"http://127.0.0.1:{self.server.port}/push"

    def _answer(self, request: Request) -> Response:
        self.tokens.append(request.headers.get("Authorization"))
        self.messages.append(orjson.loads(request.body))
        return Response(self.statuses.popleft() if self.statuses else 204)

    def pushed(self) -> list[dict[str, Any]]:
        return [orjson.loads(b64decode(each["message"]["data"])) for each in self.messages]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.stop()


@pytest.fixture
def pushed(gmail: GmailClient, receiver: Receiver) -> Iterator[GmailClient]:
    """A mailbox whose pushes come when the test delivers them."""
    pusher = gmail.server.pusher
    interval = {"push_interval_s": 0, "push_retry_s": 0}
    gmail.server.set_behaviour_switches(push_url=receiver.url, **interval)
    with pusher.pause_automatic_pushes():
        yield gmail


def watch(gmail: GmailClient, **fields: Any) -> dict[str, Any]:
    response = gmail.send("watch", "POST", json={"topicName": TOPIC, **fields})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_a_watch_announces_the_present_state_and_then_each_change(
    pushed: GmailClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    pusher, address = pushed.server.pusher, pushed.mailbox.address
    monkeypatch.setattr(pusher, "sign_push_token", lambda audience: f"signed for {audience}")
    started = watch(pushed)
    pusher.deliver_pending_pushes()
    pusher.deliver_pending_pushes()
    pushed.owner.deliver_message(a_mail("one"))
    pusher.deliver_pending_pushes()

    newest = int(pushed.history_id())
    assert receiver.pushed() == [
        {"emailAddress": address, "historyId": int(started["historyId"])},
        {"emailAddress": address, "historyId": newest},
    ]
    assert receiver.tokens == [f"Bearer signed for {receiver.url}"] * 2
    lasts_s = int(started["expiration"]) / 1000 - time.time()
    assert 7 * 86_400 - 60 < lasts_s <= 7 * 86_400


def test_a_push_that_is_not_accepted_is_posted_again(
    pushed: GmailClient, receiver: Receiver
) -> None:
    receiver.statuses.extend([500, 503])
    watch(pushed)

    for _ in range(4):
        pushed.server.pusher.deliver_pending_pushes()

    assert len(receiver.messages) == 3
    assert len({each["message"]["messageId"] for each in receiver.messages}) == 1


def test_a_watch_on_labels_is_silent_about_other_changes(
    pushed: GmailClient, receiver: Receiver
) -> None:
    watch(pushed, labelIds=["INBOX"], labelFilterBehavior="include")
    pushed.server.pusher.deliver_pending_pushes()
    pushed.owner.deliver_message(a_mail("draft"), ["DRAFT"])
    pushed.server.pusher.deliver_pending_pushes()
    assert len(receiver.messages) == 1

    pushed.owner.deliver_message(a_mail("mail"))
    pushed.server.pusher.deliver_pending_pushes()

    assert len(receiver.messages) == 2


def test_a_stopped_or_expired_watch_announces_nothing(
    pushed: GmailClient, receiver: Receiver
) -> None:
    watch(pushed)
    assert pushed.send("stop", "POST").status_code == 204
    pushed.owner.deliver_message(a_mail("one"))
    pushed.server.pusher.deliver_pending_pushes()
    watch(pushed)
    pushed.server.pusher.expire_watch_of_mailbox(pushed.mailbox)
    pushed.server.pusher.deliver_pending_pushes()

    assert receiver.messages == []
    watches = pushed.server.pusher.list_active_watches()
    assert pushed.mailbox.user_id not in {each["mailbox_id"] for each in watches}


def test_only_one_topic_is_watched_at_a_time(pushed: GmailClient) -> None:
    watch(pushed)
    other = {"topicName": "projects/other/topics/gmail"}

    refused = pushed.send("watch", "POST", json=other).json()["error"]

    assert refused["message"].startswith("Only one user push notification client allowed")
    assert pushed.send("watch", "POST", json={"topicName": "gmail"}).status_code == 400
    watch(pushed)
    [present] = [
        each
        for each in pushed.server.pusher.list_active_watches()
        if each["mailbox_id"] == pushed.mailbox.user_id
    ]
    assert present["renewals"] == 1
