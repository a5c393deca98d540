"""Message delta of one folder: which changes Outlook reports, and in which form.

Sources: Microsoft Graph docs (message-delta, outlook-immutable-id), and public captures and issue
    reports for what the documentation omits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import Any

from localdev.simulators.behaviour import Behaviour
from localdev.simulators.graph.call import Call, CallResult
from localdev.simulators.graph.delta import (
    FeedPage,
    Position,
    delta_page,
    first_query_of_chain,
    open_delta_cursor,
)
from localdev.simulators.graph.errors import bad_request
from localdev.simulators.graph.query import Query
from localdev.simulators.graph.shapes import (
    View,
    delta_object,
    read_state_object,
    removed_object,
)
from localdev.simulators.mailbox import MESSAGE_COLUMNS, StoredMessage, stored_message

_ARRIVALS = frozenset({"created", "moved in", "older moved in"})


class DeltaReport(Enum):
    """What one delta round reports about a message."""

    NOTHING = "nothing"
    REMOVED = "removed"
    READ_STATE_ONLY = "read state"
    WHOLE_MESSAGE = "whole"
    WHOLE_MESSAGE_TWICE = "twice"


@dataclass(frozen=True, slots=True)
class Change:
    message_id: str
    kind: str
    fields: frozenset[str]


class MessageFeed:
    def __init__(self, call: Call, folder_id: str, query: Query) -> None:
        self.owner_id = folder_id
        self.path = f"mailFolders('{folder_id}')/messages/delta"
        self._database = call.mailbox.database
        self._behaviour = call.behaviour
        self._view = call.view_of(query)
        query.check_order()

    def list_items(self, position: Position | None, size: int) -> FeedPage:
        """Return a page of the folder's messages, newest first, as the service does."""
        rows = self._database.rows(
            f"SELECT {MESSAGE_COLUMNS} FROM message"
            " WHERE folder_id = ? AND (received_at, seq) < (?, ?)"
            " ORDER BY received_at DESC, seq DESC LIMIT ?",
            *(self.owner_id, *(position or ("9", 0)), size + 1),
        )
        page = [stored_message(row) for row in rows[:size]]
        end = (page[-1].received_at, page[-1].seq) if page else position
        return [delta_object(each, self._view) for each in page], end, len(rows) > size

    def changes(self, since: int, until: int, position: Position | None, size: int) -> FeedPage:
        """Return a page of the changed messages, in the order of each message's last change."""
        key = self._view.id_column
        touched = self._database.rows(
            f"SELECT {key} AS id, max(seq) AS last FROM change"
            " WHERE folder_id = ? AND seq > ? AND seq <= ? AND immutable_id IS NOT NULL"
            f" GROUP BY {key} HAVING last > ? ORDER BY last LIMIT ?",
            *(self.owner_id, since, until, position[0] if position else 0, size + 1),
        )
        page = touched[:size]
        ids = [row["id"] for row in page]
        reported = self._reported(ids, since, until)
        messages = self._messages(ids)
        value: list[dict[str, Any]] = []
        for message_id in ids:
            value += self._objects(message_id, reported[message_id], messages.get(message_id))
        end = (page[-1]["last"],) if page else position
        return value, end, len(touched) > size

    def _reported(self, ids: Sequence[str], since: int, until: int) -> dict[str, DeltaReport]:
        key = self._view.id_column
        rows = self._database.rows(
            f"SELECT {key} AS id, kind, fields FROM change WHERE folder_id = ? AND seq > ?"
            f" AND seq <= ? AND {key} IN ({','.join('?' * len(ids))}) ORDER BY {key}, seq",
            *(self.owner_id, since, until, *ids),
        )
        changes = (
            Change(row["id"], row["kind"], frozenset(filter(None, row["fields"].split(","))))
            for row in rows
        )
        return {
            message_id: reported_change(list(group), self._view, self._behaviour)
            for message_id, group in groupby(changes, key=lambda change: change.message_id)
        }

    def _messages(self, ids: Sequence[str]) -> dict[str, StoredMessage]:
        rows = self._database.rows(
            f"SELECT {MESSAGE_COLUMNS} FROM message"
            f" WHERE {self._view.id_column} IN ({','.join('?' * len(ids))})",
            *ids,
        )
        return {row[self._view.id_column]: stored_message(row) for row in rows}

    def _objects(
        self, message_id: str, reported: DeltaReport, message: StoredMessage | None
    ) -> list[dict[str, Any]]:
        # Changed again since the round's end was fixed: the next round tells it.
        if message is None or message.folder_id != self.owner_id:
            reported = (
                DeltaReport.NOTHING if reported is DeltaReport.NOTHING else DeltaReport.REMOVED
            )
        if reported is DeltaReport.REMOVED:
            return [removed_object("message", message_id)]
        if message is None or reported is DeltaReport.NOTHING:
            return []
        if reported is DeltaReport.READ_STATE_ONLY:
            return [read_state_object(message, self._view)]
        return [delta_object(message, self._view)] * (
            2 if reported is DeltaReport.WHOLE_MESSAGE_TWICE else 1
        )


def reported_change(changes: Sequence[Change], view: View, behaviour: Behaviour) -> DeltaReport:
    """Return how Outlook reports a message with these changes, oldest first, in one delta round."""
    structural = [change.kind for change in changes if change.kind != "update"]
    if structural and structural[-1] == "gone":
        return DeltaReport.REMOVED
    if not structural:
        return _reported_update(changes, view, behaviour)
    since_arrival = changes[_last_arrival(changes) + 1 :]
    update = _reported_update(since_arrival, view, behaviour)
    if "gone" in structural and view.immutable_ids and behaviour.readd_is_lost:
        # Moved away and back between two polls: the return is not reported until it changes again.
        return DeltaReport.REMOVED if update is DeltaReport.NOTHING else update
    if (
        structural[-1] == "created"
        or update is DeltaReport.WHOLE_MESSAGE
        or behaviour.move_in_reported
    ):
        twice = structural[-1] == "older moved in"
        return DeltaReport.WHOLE_MESSAGE_TWICE if twice else DeltaReport.WHOLE_MESSAGE
    return update


def _last_arrival(changes: Sequence[Change]) -> int:
    return max(at for at, change in enumerate(changes) if change.kind in _ARRIVALS)


def _reported_update(changes: Iterable[Change], view: View, behaviour: Behaviour) -> DeltaReport:
    """Return the report on updates of selected properties."""
    fields = frozenset[str]().union(*(change.fields for change in changes))
    if view.select is not None:
        fields &= view.select
    if not fields:
        return DeltaReport.NOTHING
    if fields == {"isRead"} and behaviour.read_state_is_partial:
        return DeltaReport.READ_STATE_ONLY
    return DeltaReport.WHOLE_MESSAGE


def message_delta(call: Call) -> CallResult:
    """Serve `GET …/mailFolders/{id}/messages/delta`."""
    folder = call.mailbox.folders.find(call.path_ids[0])
    if folder.search_filter is not None:
        raise bad_request("Change tracking is not supported for search folders.")
    with call.mailbox.database.transaction():
        cursor = open_delta_cursor(call, folder.id)
        feed = MessageFeed(call, folder.id, first_query_of_chain(cursor))
        result = delta_page(call, feed, cursor)
    context = {"@odata.context": call.odata_context("Collection(message)")}
    whole = sum("@odata.etag" in each for each in result.document["value"])
    full = whole if call.view_of(first_query_of_chain(cursor)).includes_property("body") else 0
    return CallResult(
        document=context | result.document,
        full_message_count=full,
        bodiless_message_count=whole - full,
    )
