"""Make Gmail's history records from the journal of a simulated mailbox.

The module reads the journal backwards from the present. So each record has the labels that its
message had at the time of the change. Source: Gmail API documentation, "users.history.list";
captures of allodia-eu/email-calendar-sync-engine.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from localdev.simulators.folders import PURGED, RETAINED
from localdev.simulators.gmail.ids import (
    change_number_of_history_id,
    make_history_id_of_change,
    make_message_id_of_change,
    make_thread_id_from_key,
)
from localdev.simulators.gmail.labels import LABEL_IDS_OUTSIDE_ALL_MAIL
from localdev.simulators.gmail.mailbox import GmailMailbox, message_flags_to_label_ids
from localdev.simulators.journal import ChangeKind, JournalEntry

RECORD_FIELD_BY_HISTORY_TYPE = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}
"""The name of the list in a history record, for each value of the parameter `historyTypes`."""
JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _State:
    """A message at one time.

    id: the message's id. None: Gmail did not show the message then.
    """

    id: str | None
    thread_id: str
    labels: frozenset[str]

    def to_json(self, *, has_labels: bool) -> JsonObject:
        document: JsonObject = {"id": self.id, "threadId": self.thread_id}
        if has_labels and self.labels:
            document["labelIds"] = sorted(self.labels)
        return document


@dataclass(slots=True)
class _Past:
    """The past of a message, while the journal is read backwards.

    placements: numbers of the message's folders just after the entry that is read next.
    versions: pairs of an id number (`gmail_message.id_number`) and a thread key, newest first.
    flags: pairs of a change number and the labels for read state, star and importance from that
        change on, newest first.
    exists: whether the message exists just after the entry that is read next.
    """

    placements: set[int]
    versions: list[tuple[int, str]]
    flags: list[tuple[int, set[str]]]
    exists: bool

    def flags_at(self, number: int) -> set[str]:
        known = [labels for change, labels in self.flags if change <= number]
        if known:
            return known[0]
        return self.flags[-1][1] if self.flags else set()

    def version_at(self, number: int) -> tuple[int, str] | None:
        return next((each for each in self.versions if each[0] <= number), None)


class History:
    """Makes the history records of one simulated mailbox, in the form of Gmail's `history.list`."""

    def __init__(self, gmail: GmailMailbox) -> None:
        self._gmail = gmail
        self._database = gmail.simulated_mailbox.database
        find = gmail.simulated_mailbox.folders.find_folder
        self._outside = {find(RETAINED).number, find(PURGED).number}

    def is_history_id_out_of_range(self, start: int) -> bool:
        """Return whether `history.list` must reject this historyId with 404: the history after it
        is no longer kept, or the id is higher than the present historyId of the mailbox.

        start: the historyId after which a client wants the changes.
        """
        number = change_number_of_history_id(start)
        if (
            number < self._gmail.last_change_number_before_history
            or start > self._gmail.newest_history_id
        ):
            return True
        return self._gmail.simulated_mailbox.journal.has_position_expired(number, None)

    def list_records_after_id(self, start: int, *, until: int | None = None) -> list[JsonObject]:
        """Return the history records with ids above `start`, oldest first.

        until: number of the last change to report. None: all changes.
        """
        hidden = {
            row["number"]
            for row in self._database.fetch_rows("SELECT number FROM gmail_hidden_change")
        }
        entries = [
            each
            for each in self._gmail.simulated_mailbox.journal.list_entries_after_change_number(
                change_number_of_history_id(start) - 1
            )
            if each.message_number is not None
        ]
        pasts = self._pasts(
            {each.message_number for each in entries if each.message_number is not None}
        )
        found: list[JsonObject] = []
        for entry in reversed(entries):
            assert entry.message_number is not None
            before, after = self._undo(entry, pasts[entry.message_number])
            if entry.change_number in hidden or (until is not None and entry.change_number > until):
                continue
            found += reversed(list(self._records(entry, before, after)))
        return [each for each in reversed(found) if int(each["id"]) > start]

    def _pasts(self, numbers: Collection[int]) -> dict[int, _Past]:
        """Return the present placements, ids and flags of messages, by message number."""
        chosen = orjson.dumps(list(numbers)).decode()
        among = "message IN (SELECT value FROM json_each(?))"
        pasts = {number: _Past(set(), [], [], False) for number in numbers}
        for row in self._database.fetch_rows(f"SELECT * FROM placement WHERE {among}", chosen):
            pasts[row["message"]].placements.add(row["folder"])
        for row in self._database.fetch_rows(
            f"SELECT * FROM gmail_message WHERE {among} ORDER BY id_number DESC", chosen
        ):
            pasts[row["message"]].versions.append((row["id_number"], row["thread"]))
        for row in self._database.fetch_rows(
            f"SELECT * FROM gmail_flags WHERE {among} ORDER BY change DESC", chosen
        ):
            labels = message_flags_to_label_ids(
                is_read=row["is_read"],
                is_flagged=row["is_flagged"],
                is_important=row["is_important"],
            )
            pasts[row["message"]].flags.append((row["change"], labels))
        for row in self._database.fetch_rows(
            "SELECT number FROM message WHERE number IN (SELECT value FROM json_each(?))", chosen
        ):
            pasts[row["number"]].exists = True
        return pasts

    def _undo(self, entry: JournalEntry, past: _Past) -> tuple[_State, _State]:
        """Return the message before and after a journal entry. Change `past` to the state before
        the entry."""
        after = self._state(past, entry.change_number)
        if (
            entry.kind in (ChangeKind.MESSAGE_ADDED_TO_FOLDER, ChangeKind.MESSAGE_MOVED)
            and entry.folder_number is not None
        ):
            past.placements.discard(entry.folder_number)
        if entry.source_folder_number is not None:
            past.placements.add(entry.source_folder_number)
        is_first = not past.versions or past.versions[-1][0] == entry.change_number
        past.exists = not is_first
        return self._state(past, entry.change_number - 1), after

    def _state(self, past: _Past, number: int) -> _State:
        version = past.version_at(number)
        thread = make_thread_id_from_key(version[1]) if version else ""
        if version is None or not past.exists or past.placements & self._outside:
            return _State(None, thread, frozenset())
        labels = self._gmail.labels.find_label_ids_even_of_deleted_folders(
            past.placements
        ) | past.flags_at(number)
        return _State(make_message_id_of_change(version[0]), thread, frozenset(labels))

    def _records(self, entry: JournalEntry, before: _State, after: _State) -> Iterator[JsonObject]:
        for place, (name, state, labels) in enumerate(self._events(before, after)):
            has_labels = self._gmail.behaviour.has_label_ids_in_history
            message = state.to_json(has_labels=has_labels)
            item: JsonObject = {"message": message}
            if labels:
                item["labelIds"] = sorted(labels)
            bare = {"id": message["id"], "threadId": message["threadId"]}
            yield {
                "id": str(make_history_id_of_change(entry.change_number, place)),
                "messages": [bare],
                name: [item],
            }

    def _events(
        self, before: _State, after: _State
    ) -> Iterator[tuple[str, _State, Collection[str]]]:
        """Yield the name of the list, the message and the changed labels of each history record of
        a change."""
        if before.id is not None and before.id != after.id:
            yield "messagesDeleted", before, ()
        if after.id is not None and before.id != after.id:
            yield "messagesAdded", after, ()
        if after.id is None or before.id != after.id:
            return
        if added := after.labels - before.labels:
            yield "labelsAdded", after, added
        removed = before.labels - after.labels
        if after.labels & LABEL_IDS_OUTSIDE_ALL_MAIL:
            removed -= self._unreported()
        if removed:
            yield "labelsRemoved", after, removed

    def _unreported(self) -> set[str]:
        return set() if self._gmail.behaviour.is_inbox_removal_reported else {"INBOX"}


def filter_records_by_type_and_label(
    records: Iterable[JsonObject], lists: Collection[str], label_id: str | None
) -> list[JsonObject]:
    """Filter history records by the parameters `historyTypes` and `labelId`. Return records that
    keep only the wanted lists; leave out records without a wanted list.

    lists: names of the wanted lists, such as `messagesAdded`.
    label_id: return only records about messages with this label. None: records of all messages.
    """
    found = []
    for record in records:
        kept = {name: value for name, value in record.items() if name in lists}
        if kept and (label_id is None or any(map(lambda it: _has(it, label_id), kept.values()))):
            found.append({"id": record["id"], "messages": record["messages"], **kept})
    return found


def _has(entries: Sequence[JsonObject], label_id: str) -> bool:
    return any(
        label_id in (*entry.get("labelIds", ()), *entry["message"].get("labelIds", ()))
        for entry in entries
    )
