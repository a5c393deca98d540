"""Serve the methods `watch` and `stop` of the Gmail API, and post push notifications as Pub/Sub
does.

Source: Gmail API documentation, "Push notifications": a watch lasts at most 7 days, and each
mailbox gets at most one notification per second.
"""

import re
import threading
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from sqlite3 import Row
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import orjson

from localdev.simulators.gmail.call import GmailCall, GmailResult
from localdev.simulators.gmail.errors import GmailError, invalid_argument_error
from localdev.simulators.gmail.history import History
from localdev.simulators.gmail.ids import change_number_of_history_id, make_history_id_of_change
from localdev.simulators.gmail.mailbox import GmailMailbox
from localdev.simulators.mailbox import Mailbox

if TYPE_CHECKING:
    from localdev.simulators.gmail.server import GmailServer

WATCH_LIFETIME_S = 7 * 24 * 3600
PUBSUB_SUBSCRIPTION_NAME = "projects/simulated-project/subscriptions/mailsync"
_TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")
_TURN_S = 0.05
_TIMEOUT_S = 10
JsonObject = dict[str, Any]
PushTokenSigner = Callable[[str], str]
"""A function that takes the URL of a push and returns the token with which Pub/Sub authenticates
the push."""


def start_watch(call: GmailCall) -> GmailResult:
    """Start or renew the watch on a mailbox.

    Raises:
        GmailError: 400 if the topic is malformed, or if the mailbox has a watch for another topic.
    """
    fields = call.json_body if isinstance(call.json_body, dict) else {}
    topic = str(fields.get("topicName") or "")
    if not _TOPIC.fullmatch(topic):
        raise invalid_argument_error("Invalid topicName does not match projects/*/topics/*")
    database, user_id = (
        call.gmail_mailbox.simulated_mailbox.database,
        call.gmail_mailbox.simulated_mailbox.user_id,
    )
    present = database.fetch_row(
        "SELECT * FROM gmail_watch WHERE mailbox_id = ? AND expires_at > ?", user_id, time.time()
    )
    if present and present["topic"] != topic:
        message = (
            "Only one user push notification client allowed per developer (call /stop then try"
            " again)"
        )
        raise GmailError(400, "failedPrecondition", message, status="FAILED_PRECONDITION")
    behaviour = str(fields.get("labelFilterBehavior") or fields.get("labelFilterAction") or "")
    expires_at = time.time() + WATCH_LIFETIME_S
    # A new watch announces the present state at once.
    database.execute_write(
        "INSERT INTO gmail_watch VALUES (?, ?, ?, ?, ?, -1, 0) ON CONFLICT (mailbox_id) DO UPDATE"
        " SET topic = excluded.topic, label_ids = excluded.label_ids, renewals = renewals + 1,"
        " is_exclusion = excluded.is_exclusion, expires_at = excluded.expires_at, announced = -1",
        *(user_id, topic, orjson.dumps(fields.get("labelIds") or []).decode()),
        *(behaviour.lower() == "exclude", expires_at),
    )
    return GmailResult(
        json_body={
            "historyId": str(call.gmail_mailbox.newest_history_id),
            "expiration": str(int(expires_at * 1000)),
        }
    )


def stop_watch(call: GmailCall) -> GmailResult:
    call.gmail_mailbox.simulated_mailbox.database.execute_write(
        "DELETE FROM gmail_watch WHERE mailbox_id = ?", call.gmail_mailbox.simulated_mailbox.user_id
    )
    return GmailResult(json_body=None)


@dataclass(slots=True)
class _Push:
    """A push notification that the subscriber has not accepted yet.

    due_at: time of the next attempt, in seconds of the monotonic clock.
    """

    body: bytes
    due_at: float
    attempts: int = 0


class PushNotificationSender:
    """Posts push notifications about changed mailboxes to `GmailBehaviour.push_url`, on a thread
    that runs from `start` to `stop`. A push that is not accepted is posted again.

    sign_push_token: function that takes the URL to which a push is posted, and returns the bearer
        token of the push. None: pushes have no token.
    deliveries: the newest attempts to post a push, with the keys `about`, `historyId` and `status`.
        A status of None: there was no response. For a push of `post_push_notification`, `about` is
        the user id. For every other push, `about` is the id of the Pub/Sub message, and `historyId`
        is None.
    """

    def __init__(self, server: "GmailServer") -> None:
        self.sign_push_token: PushTokenSigner | None = None
        self.deliveries: deque[JsonObject] = deque(maxlen=1_000)
        self._server = server
        self._last_at: dict[str, float] = {}
        self._pending: list[_Push] = []
        self._is_paused = False
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._http = httpx.Client(timeout=_TIMEOUT_S, trust_env=False)
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._http.close()

    def list_active_watches(self) -> list[JsonObject]:
        """Return all watches that have not expired."""
        return [dict(row) for row in self._rows()]

    def expire_watch_of_mailbox(self, mailbox: Mailbox) -> None:
        mailbox.database.execute_write(
            "UPDATE gmail_watch SET expires_at = 0 WHERE mailbox_id = ?", mailbox.user_id
        )

    def post_push_notification(
        self,
        mailbox: Mailbox,
        *,
        address: str | None = None,
        history: int | None = None,
        token: str | None = None,
    ) -> int | None:
        """Post one push now; return the status of the response, or None if there is no response.
        Return 200 and post nothing if `GmailBehaviour.push_url` is None.

        address: address of the mailbox that the push names. None: the mailbox's own address.
        history: `historyId` that the push names. None: the present historyId of the mailbox.
        token: bearer token of the push. None: a token that `sign_push_token` makes.
        """
        newest = self._open(mailbox).newest_history_id if history is None else history
        body = _message(address or mailbox.address, newest)
        return self._post(body, mailbox.user_id, newest, token)

    @contextmanager
    def pause_automatic_pushes(self) -> Iterator[None]:
        """Stop the thread from posting pushes while the `with` block runs. `post_push_notification`
        and `deliver_pending_pushes` still post. For tests."""
        self._is_paused = True
        with self._turn:
            pass
        try:
            yield
        finally:
            self._is_paused = False

    def deliver_pending_pushes(self) -> None:
        """Make a push for each watched mailbox that changed, unless the mailbox's last push was
        made less than `GmailBehaviour.push_interval_s` ago. Then try once to post each due push."""
        with self._turn:
            self._take_turn()

    def _work(self) -> None:
        while not self._ended.wait(_TURN_S):
            with self._turn:
                if not self._is_paused:
                    self._take_turn()

    def _rows(self) -> list[Row]:
        return self._server.service.database.fetch_rows(
            "SELECT w.*, m.address FROM gmail_watch w JOIN mailbox m ON m.id = w.mailbox_id"
            " WHERE w.expires_at > ?",
            time.time(),
        )

    def _open(self, mailbox: Mailbox) -> GmailMailbox:
        return self._server.open_gmail_mailbox(mailbox)

    def _take_turn(self) -> None:
        behaviour = self._server.behaviour
        for row in self._rows():
            user_id, now = row["mailbox_id"], time.monotonic()
            if now < self._last_at.get(user_id, -1e9) + behaviour.push_interval_s:
                continue
            gmail = self._open(Mailbox(self._server.service.database, user_id))
            newest = gmail.newest_change_number_in_history
            if newest <= row["announced"]:
                continue
            gmail.simulated_mailbox.database.execute_write(
                "UPDATE gmail_watch SET announced = ? WHERE mailbox_id = ?", newest, user_id
            )
            if _is_announced(gmail, row) and not behaviour.pushes_lost:
                self._last_at[user_id] = now
                self._pending.append(
                    _Push(_message(row["address"], make_history_id_of_change(newest)), now)
                )
        self._deliver()

    def _deliver(self) -> None:
        kept = []
        for each in self._pending:
            if each.due_at <= time.monotonic():
                document = orjson.loads(each.body)["message"]
                status = self._post(each.body, document["messageId"], None, None)
                if status is not None and 200 <= status < 300:
                    continue
                each.attempts += 1
                each.due_at = time.monotonic() + self._server.behaviour.push_retry_s
            kept.append(each)
        self._pending = kept[-1_000:]

    def _post(
        self, body: bytes, mailbox: str, history: int | None, token: str | None
    ) -> int | None:
        url = self._server.behaviour.push_url
        if url is None:
            return 200
        signed = token or (self.sign_push_token(url) if self.sign_push_token else None)
        headers = {"Content-Type": "application/json"}
        if signed:
            headers["Authorization"] = f"Bearer {signed}"
        try:
            status: int | None = self._http.post(url, content=body, headers=headers).status_code
        except httpx.HTTPError:
            status = None
        self.deliveries.append({"about": mailbox, "historyId": history, "status": status})
        return status


def _is_announced(gmail: GmailMailbox, row: Row) -> bool:
    """Return whether the labels of a watch require a push for the newest changes.

    row: the watch, a row of `gmail_watch`. Its column `announced` is the number of the last change
        for which a push was considered; -1: none yet.
    """
    labels = set(orjson.loads(row["label_ids"]))
    if not labels or row["announced"] < 0:
        return True
    history, start = History(gmail), make_history_id_of_change(row["announced"])
    if change_number_of_history_id(start) < gmail.last_change_number_before_history:
        return True
    found: set[str] = set()
    for record in history.list_records_after_id(start):
        for entries in record.values():
            for entry in entries if isinstance(entries, list) else ():
                found |= {*entry.get("labelIds", ())}
                found |= {*entry.get("message", {}).get("labelIds", ())}
    return bool(found - labels) if row["is_exclusion"] else bool(found & labels)


def _message(address: str, history: int) -> bytes:
    """Return the body of a push of Pub/Sub."""
    data = orjson.dumps({"emailAddress": address, "historyId": history})
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message_id = str(uuid4().int % 10**16)
    return orjson.dumps(
        {
            "message": {
                "data": b64encode(data).decode(),
                "messageId": message_id,
                "message_id": message_id,
                "publishTime": now,
                "publish_time": now,
            },
            "subscription": PUBSUB_SUBSCRIPTION_NAME,
        }
    )
