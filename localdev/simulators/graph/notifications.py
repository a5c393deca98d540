"""Send change notifications to subscribers, on a thread that reads the journal of changes.

A notification that the subscriber does not accept within three seconds is sent again, with growing
pauses, for four hours. Source: Microsoft Graph docs, "Receive change notifications through
webhooks" and "Reduce missing subscriptions and change notifications".
"""

import threading
import time
from collections import defaultdict, deque
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Any
from uuid import uuid4

import httpx
import orjson

from localdev.simulators.graph.events import (
    FolderMessageEvent,
    FolderMessageEventKind,
    events_of_journal_entry,
)
from localdev.simulators.graph.ids import OutlookIds
from localdev.simulators.journal import MailboxChangeJournal
from localdev.simulators.service import ORGANISATION_TENANT_ID, SharedSimulatorState
from localdev.simulators.wire_time import format_utc_seconds

SUBSCRIBER_TIMEOUT_S = 3
MAX_DELIVERY_RETRY_DURATION_S = 4 * 60 * 60
MAX_NOTIFICATIONS_PER_POST = 50
LIFECYCLE_EVENTS = ("reauthorizationRequired", "subscriptionRemoved", "missed")
_PAUSE_S = 0.05
_CHANGE_TYPES = {
    FolderMessageEventKind.CREATED: "created",
    FolderMessageEventKind.MOVED_IN: "created",
    FolderMessageEventKind.UPDATED: "updated",
    FolderMessageEventKind.LEFT_FOLDER: "deleted",
}
JsonObject = dict[str, Any]


class Notifier:
    """Sends change notifications to subscribers. The sending begins with `start` and ends with
    `stop`. The database stores unsent notifications, so the simulators send them after a restart.

    deliveries: the newest requests to subscribers: `at` (seconds since 1970), `url`, `items` (the
        number of notifications) and `status` of the response. Status 0: there was no response.
    """

    def __init__(self, service: SharedSimulatorState) -> None:
        self.deliveries: deque[JsonObject] = deque(maxlen=1_000)
        self._service = service
        self._database = service.database
        self._http = httpx.Client(timeout=SUBSCRIBER_TIMEOUT_S, trust_env=False)
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._http.close()

    def list_active_subscriptions(self) -> list[JsonObject]:
        """Return all subscriptions that have not expired, with all columns of their table."""
        return [dict(row) for row in self._subscriptions()]

    def make_subscriptions_expire_now(self, mailbox_id: str) -> int:
        """End all subscriptions of a mailbox, as if they had expired; return their number."""
        return self._database.execute_write(
            "UPDATE subscription SET expires_at = 0 WHERE mailbox_id = ?", mailbox_id
        )

    def send_lifecycle_event(self, mailbox_id: str, event: str) -> int:
        """Send a lifecycle event to the subscriptions of a mailbox that have a lifecycle URL;
        return the number of all active subscriptions of the mailbox.

        After `reauthorizationRequired` a subscription reports no changes until it is authorized
        again. This is the strictest reading of the documentation. `subscriptionRemoved` also
        deletes the subscriptions. Raises ValueError for an unknown event.
        """
        if event not in LIFECYCLE_EVENTS:
            raise ValueError(f"'{event}' is not one of {LIFECYCLE_EVENTS}")
        notified = [row for row in self._subscriptions() if row["mailbox_id"] == mailbox_id]
        with self._database.transaction():
            for row in notified:
                if row["lifecycle_url"]:
                    self._queue(row, row["lifecycle_url"], {"lifecycleEvent": event})
                if event == "reauthorizationRequired":
                    self._database.execute_write(
                        "UPDATE subscription SET authorized = 0 WHERE id = ?", row["id"]
                    )
                elif event == "subscriptionRemoved":
                    self._database.execute_write("DELETE FROM subscription WHERE id = ?", row["id"])
        return len(notified)

    def deliver_pending_notifications(self) -> None:
        """Make the notifications for all changes so far, and try once to send the due
        notifications, at most the 500 oldest."""
        with self._turn:
            self._take_turn()

    def _work(self) -> None:
        while not self._ended.wait(_PAUSE_S):
            with self._turn:
                self._take_turn()

    def _take_turn(self) -> None:
        for row in self._subscriptions():
            self._collect(row["id"])
        self._deliver()

    def _subscriptions(self) -> list[Row]:
        return self._database.fetch_rows(
            "SELECT * FROM subscription WHERE expires_at > ? ORDER BY rowid", time.time()
        )

    def _collect(self, subscription_id: str) -> None:
        """Make the notifications for the changes that a subscription has not reported yet.

        Subscription and changes are read in one transaction. So a subscription that was
        unauthorized at that time reports none of these changes.
        """
        with self._database.transaction():
            found = self._database.fetch_rows(
                "SELECT * FROM subscription WHERE id = ?", subscription_id
            )
            if not found:
                return
            (subscription,) = found
            mailbox_id = subscription["mailbox_id"]
            entries = MailboxChangeJournal(
                self._database, mailbox_id
            ).list_entries_after_change_number(subscription["seen"])
            if not entries:
                return
            ids = OutlookIds(self._database, mailbox_id)
            for event in (event for entry in entries for event in events_of_journal_entry(entry)):
                if subscription["authorized"] and _concerns(subscription, event, ids):
                    body = _change_of(subscription, event, ids)
                    self._queue(subscription, subscription["notification_url"], body)
            self._database.execute_write(
                "UPDATE subscription SET seen = ? WHERE id = ?",
                *(entries[-1].change_number, subscription["id"]),
            )

    def _queue(self, subscription: Row, url: str, body: JsonObject) -> None:
        if self._service.behaviour.notifications_lost:
            return
        now = time.time()
        expires_at = datetime.fromtimestamp(subscription["expires_at"], UTC)
        common = {
            "subscriptionId": subscription["id"],
            "subscriptionExpirationDateTime": format_utc_seconds(expires_at),
            "clientState": subscription["client_state"],
            "tenantId": ORGANISATION_TENANT_ID,
        }
        self._database.execute_write(
            "INSERT INTO notification (url, body, first_at, due_at) VALUES (?, ?, ?, ?)",
            *(url, orjson.dumps(common | body), now, now),
        )

    def _deliver(self) -> None:
        due: dict[str, list[Row]] = defaultdict(list)
        for row in self._database.fetch_rows(
            "SELECT * FROM notification WHERE due_at <= ? ORDER BY seq LIMIT 500", time.time()
        ):
            due[row["url"]].append(row)
        for url, rows in due.items():
            for start in range(0, len(rows), MAX_NOTIFICATIONS_PER_POST):
                if self._ended.is_set():
                    return
                self._post(url, rows[start : start + MAX_NOTIFICATIONS_PER_POST])

    def _post(self, url: str, rows: list[Row]) -> None:
        body = orjson.dumps({"value": [orjson.loads(row["body"]) for row in rows]})
        try:
            headers = {"Content-Type": "application/json; charset=utf-8"}
            status = self._http.post(url, content=body, headers=headers).status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            status = 0
        taken = 200 <= status < 300
        self.deliveries.append(
            {"at": time.time(), "url": url, "items": len(rows), "status": status}
        )
        with self._database.transaction():
            for row in rows:
                self._settle(row, taken=taken)

    def _settle(self, row: Row, *, taken: bool) -> None:
        now = time.time()
        if taken or now - row["first_at"] > MAX_DELIVERY_RETRY_DURATION_S:
            self._database.execute_write("DELETE FROM notification WHERE seq = ?", row["seq"])
            return
        wait_s = self._service.behaviour.notification_retry_s * 2 ** min(row["attempts"], 8)
        self._database.execute_write(
            "UPDATE notification SET attempts = attempts + 1, due_at = ? WHERE seq = ?",
            *(now + wait_s, row["seq"]),
        )


def _concerns(subscription: Row, event: FolderMessageEvent, ids: OutlookIds) -> bool:
    is_wanted = _CHANGE_TYPES[event.kind] in subscription["change_types"].split(",")
    return is_wanted and subscription["folder_id"] in (
        None,
        ids.make_folder_id(event.folder_number),
    )


def _change_of(subscription: Row, event: FolderMessageEvent, ids: OutlookIds) -> JsonObject:
    message_id = (
        ids.make_immutable_message_id(event.message_number)
        if subscription["immutable_ids"]
        else ids.make_mutable_message_id(event.message_number, event.placement_change_number)
    )
    path = f"Users/{subscription['mailbox_id']}/Messages/{message_id}"
    return {
        "id": str(uuid4()),
        "changeType": _CHANGE_TYPES[event.kind],
        "resource": path,
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Message",
            "@odata.id": path,
            "id": message_id,
        },
    }
