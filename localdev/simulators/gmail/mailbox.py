"""Read a simulated mailbox (`simulators.mailbox`) as Gmail shows it: ids, labels, lists, counts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from sqlite3 import Row
from typing import Any

import orjson

from localdev.simulators.folders import PURGED, RETAINED
from localdev.simulators.gmail.behaviour import GmailBehaviour
from localdev.simulators.gmail.errors import GmailError, invalid_argument_error, not_found_error
from localdev.simulators.gmail.ids import (
    change_number_of_message_id,
    find_cached_thread_key,
    is_well_formed_id,
    make_history_id_of_change,
    make_message_id_of_change,
    make_message_page_token,
    make_thread_id_from_key,
    parse_message_page_token,
)
from localdev.simulators.gmail.labels import (
    CHAT,
    IDS_OF_LABELS_STORED_AS_FLAGS,
    IMPORTANT,
    LABEL_IDS_OUTSIDE_ALL_MAIL,
    STARRED,
    UNREAD,
    GmailLabels,
)
from localdev.simulators.gmail.message_view import GmailMessage
from localdev.simulators.gmail.schema import INSERT_MESSAGE_IDS_SQL
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import Message
from localdev.simulators.message_bytes import compose_message

_IN_JSON = "IN (SELECT value FROM json_each(?))"
_IS_PLACED = f"m.number IN (SELECT message FROM placement WHERE folder {_IN_JSON})"
_ROWS = """
SELECT m.number, m.received_at, v.id_number, v.thread, m.is_read, m.is_flagged, m.importance,
       (SELECT json_group_array(folder) FROM placement WHERE message = m.number) AS folders
  FROM message m JOIN gmail_message v ON v.message = m.number AND v.id_number =
       (SELECT max(id_number) FROM gmail_message WHERE message = m.number)
 WHERE m.mailbox_id = ?
"""
_COUNTS = """
SELECT count(*) AS messagesTotal, count(*) FILTER (WHERE m.is_read = 0) AS messagesUnread,
       count(DISTINCT m.thread) AS threadsTotal,
       count(DISTINCT m.thread) FILTER (WHERE m.is_read = 0) AS threadsUnread
  FROM message m WHERE m.mailbox_id = ?
"""
_FLAG_SQL = {
    UNREAD: "m.is_read = 0",
    STARRED: "m.is_flagged = 1",
    IMPORTANT: "m.importance = 'high'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageWithoutContents:
    """A message of a Gmail mailbox without its contents.

    message_number: number of the message in the simulated mailbox.
    id, thread_id: Gmail's ids of the message and of its thread.
    """

    message_number: int
    id: str
    thread_id: str
    label_ids: tuple[str, ...]
    received_at: str


class GmailMailbox:
    """Reads a simulated mailbox in Gmail's terms.

    Gmail's history of a mailbox begins when the first GmailMailbox for the mailbox is made.

    held_change: number of the newest change that `history.list` reports. None: it
        reports all changes.
    """

    def __init__(
        self, mailbox: Mailbox, behaviour: GmailBehaviour, *, held_change: int | None = None
    ) -> None:
        self.simulated_mailbox = mailbox
        self.held_change = held_change
        self.labels = GmailLabels(mailbox)
        self.behaviour = behaviour
        self._database = mailbox.database
        self._register()

    @property
    def newest_history_id(self) -> int:
        """Return the present historyId of the mailbox."""
        return make_history_id_of_change(self.newest_change_number_in_history)

    @property
    def newest_change_number_in_history(self) -> int:
        """Return the number of the newest change in Gmail's history, from which `newest_history_id`
        is made. It is a change of a message or an expiry of the history. Changes that the history
        omits do not count. Return 0 if the mailbox has no such change."""
        row = self._database.fetch_row(
            "SELECT number FROM change WHERE mailbox_id = ?"
            " AND (message IS NOT NULL OR kind = 'cursors expired')"
            " AND number NOT IN (SELECT number FROM gmail_hidden_change)"
            " ORDER BY number DESC LIMIT 1",
            self.simulated_mailbox.user_id,
        )
        return int(row["number"]) if row else 0

    @property
    def last_change_number_before_history(self) -> int:
        """Return the number of the change after which the history of the mailbox begins."""
        row = self._database.fetch_row(
            "SELECT since FROM gmail_mailbox WHERE mailbox_id = ?", self.simulated_mailbox.user_id
        )
        return int(row["since"]) if row else 0

    def find_message_number(self, text: str) -> int:
        """Return the number that the message with this id has in the simulated mailbox.

        Raises:
            GmailError: 404 if no message has the id, 400 if the text has not the form of an id.
        """
        if not is_well_formed_id(text):
            raise invalid_argument_error("Invalid id value")
        row = self._database.fetch_row(
            "SELECT message FROM gmail_message v WHERE id_number = ? AND mailbox_id = ?"
            " AND id_number = (SELECT max(id_number) FROM gmail_message WHERE message = v.message)",
            *(change_number_of_message_id(text), self.simulated_mailbox.user_id),
        )
        if row is None or not self.find_messages_without_contents([row["message"]]):
            raise not_found_error()
        return int(row["message"])

    def find_message(self, text: str) -> GmailMessage:
        """Return the message with this id.

        Raises:
            GmailError: 404 if no message has the id, 400 if the text has not the form of an id.
        """
        return self.find_messages_by_number([self.find_message_number(text)])[0]

    def find_messages_by_number(self, numbers: Sequence[int]) -> list[GmailMessage]:
        """Return the messages with these numbers, in the order of `numbers`. Leave out messages
        that do not exist or that their owner deleted permanently."""
        found = {
            each.message_number: each
            for each in self.simulated_mailbox.find_messages_by_number(numbers)
        }
        listed = {
            each.message_number: each for each in self.find_messages_without_contents(numbers)
        }
        return [self._message(listed[each], found[each]) for each in numbers if each in listed]

    def find_messages_without_contents(
        self, numbers: Sequence[int]
    ) -> list[MessageWithoutContents]:
        """Return the messages with these numbers, without contents, in any order. Leave out
        messages that do not exist or that their owner deleted permanently."""
        rows = self._rows(f"AND m.number {_IN_JSON}", orjson.dumps(list(numbers)).decode())
        return [self._listed(row) for row in rows]

    def list_every_message_newest_first(self) -> list[MessageWithoutContents]:
        """Return all messages, Spam and Trash included, newest first."""
        return [self._listed(row) for row in self._rows("ORDER BY m.received_at DESC")]

    def list_message_page(
        self,
        label_ids: Collection[str],
        *,
        includes_spam_trash: bool,
        token: str | None,
        limit: int,
    ) -> tuple[list[MessageWithoutContents], str | None]:
        """Return a page of the messages with all of these labels, newest first, and the token of
        the next page. The token is None on the last page.

        includes_spam_trash: whether to list mail in Spam and Trash. Such mail is also listed if
            `label_ids` contains SPAM or TRASH.
        token: token of the page. None: the first page.

        Raises:
            GmailError: 400 for an unknown label or page token.
        """
        where, values = self._selection(label_ids, includes_spam_trash=includes_spam_trash)
        if token is not None:
            after = parse_message_page_token(token)
            if after is None:
                raise invalid_argument_error("Invalid pageToken")
            where, values = f"{where} AND (m.received_at, m.number) < (?, ?)", [*values, *after]
        rows = self._rows(
            f"{where} ORDER BY m.received_at DESC, m.number DESC LIMIT ?", *values, limit + 1
        )
        listed = [self._listed(row) for row in rows[:limit]]
        has_more = len(rows) > limit and bool(listed)
        last = listed[-1] if has_more else None
        return listed, make_message_page_token(
            last.received_at, last.message_number
        ) if last else None

    def count_messages_and_threads(
        self, label_ids: Collection[str], *, includes_spam_trash: bool
    ) -> dict[str, int]:
        """Count the messages that have all labels in `label_ids`, and their threads. The keys of
        the result are Gmail's: messagesTotal, messagesUnread, threadsTotal and threadsUnread."""
        where, values = self._selection(label_ids, includes_spam_trash=includes_spam_trash)
        row = self._database.fetch_row(
            f"{_COUNTS} AND NOT {_IS_PLACED} {where}",
            self.simulated_mailbox.user_id,
            self._hidden,
            *values,
        )
        assert row is not None
        return dict(row)

    def list_thread_page(
        self,
        label_ids: Collection[str],
        *,
        includes_spam_trash: bool,
        token: str | None,
        limit: int,
    ) -> tuple[list[MessageWithoutContents], str | None]:
        """Return a page of threads, newest first, and the token of the next page. For each thread,
        the page has the newest message that `list_message_page` would list.

        Parameters and errors are those of `list_message_page`.
        """
        newest: dict[str, MessageWithoutContents] = {}
        after: str | None = None
        while True:
            listed, after = self.list_message_page(
                label_ids, includes_spam_trash=includes_spam_trash, token=after, limit=5_000
            )
            for each in listed:
                newest.setdefault(each.thread_id, each)
            if after is None:
                break
        position = None if token is None else parse_message_page_token(token)
        if token is not None and position is None:
            raise invalid_argument_error("Invalid pageToken")
        found = [
            each
            for each in newest.values()
            if position is None or (each.received_at, each.message_number) < position
        ]
        page = found[:limit]
        has_more = len(found) > len(page)
        return page, make_message_page_token(
            page[-1].received_at, page[-1].message_number
        ) if has_more else None

    def list_thread_messages(self, text: str) -> list[GmailMessage]:
        """Return the messages of the thread with this id, oldest first.

        Raises:
            GmailError: 404 if no thread has the id, 400 if the text has not the form of an id.
        """
        if not is_well_formed_id(text):
            raise invalid_argument_error("Invalid id value")
        seed = find_cached_thread_key(text) or self._find_thread_id_seed(text)
        rows = self._rows("AND v.thread = ? ORDER BY m.received_at, m.number", seed)
        if not rows:
            raise not_found_error()
        return self.find_messages_by_number([row["number"] for row in rows])

    def _find_thread_id_seed(self, text: str) -> str | None:
        rows = self._database.fetch_rows(
            "SELECT DISTINCT thread FROM gmail_message WHERE mailbox_id = ?",
            self.simulated_mailbox.user_id,
        )
        return next(
            (row["thread"] for row in rows if make_thread_id_from_key(row["thread"]) == text), None
        )

    def _selection(
        self, label_ids: Collection[str], *, includes_spam_trash: bool
    ) -> tuple[str, list[Any]]:
        conditions, values = [], []
        for each in label_ids:
            label = self.labels.label_by_id.get(each)
            if label is None or not label.is_returned_by_api:
                raise GmailError(400, "invalidArgument", f"Invalid label: {each}")
            if each in IDS_OF_LABELS_STORED_AS_FLAGS:
                conditions.append(_FLAG_SQL[each])
            else:
                conditions.append(_IS_PLACED)
                values.append(orjson.dumps([label.folder_number or -1]).decode())
        if not includes_spam_trash and not LABEL_IDS_OUTSIDE_ALL_MAIL & {*label_ids}:
            conditions.append(f"NOT {_IS_PLACED}")
            values.append(self._numbers_of_roles("trash", "junk"))
        return "".join(f" AND {each}" for each in conditions), values

    def _rows(self, where: str, *values: Any) -> list[Row]:
        """Return the rows of the messages that are not deleted permanently.

        where: a further condition and an order, as SQL.
        """
        return self._database.fetch_rows(
            f"{_ROWS} AND NOT {_IS_PLACED} {where}",
            self.simulated_mailbox.user_id,
            self._hidden,
            *values,
        )

    @cached_property
    def _hidden(self) -> str:
        """Return the numbers of the folders of deleted mail (RETAINED, PURGED), as JSON."""
        return self._numbers_of_roles(RETAINED, PURGED)

    def _numbers_of_roles(self, *roles: str) -> str:
        numbers = [self.simulated_mailbox.folders.find_folder(role).number for role in roles]
        return orjson.dumps(numbers).decode()

    def _listed(self, row: Row) -> MessageWithoutContents:
        labels = self.labels.find_label_ids_of_folders(orjson.loads(row["folders"]))
        labels |= message_flags_to_label_ids(
            is_read=row["is_read"],
            is_flagged=row["is_flagged"],
            is_important=row["importance"] == "high",
        )
        return MessageWithoutContents(
            message_number=row["number"],
            id=make_message_id_of_change(row["id_number"]),
            thread_id=make_thread_id_from_key(row["thread"]),
            label_ids=tuple(sorted(labels)),
            received_at=row["received_at"],
        )

    def _message(self, listed: MessageWithoutContents, message: Message) -> GmailMessage:
        original = self.simulated_mailbox.read_original_message_bytes(message.content_blob_id)
        raw = compose_message(message.mail_item) if original is None else original
        row = self._database.fetch_row(
            "SELECT max(number) AS number FROM change WHERE message = ?", listed.message_number
        )
        return GmailMessage(
            id=listed.id,
            thread_id=listed.thread_id,
            label_ids=listed.label_ids,
            history_id=str(make_history_id_of_change(row["number"] if row else 0)),
            internal_date_ms=round(message.mail_item.received_at.timestamp() * 1000),
            size_estimate=len(raw),
            snippet=message.preview,
            raw_bytes=raw,
            chat_message_text=message.mail_item.body if CHAT in listed.label_ids else None,
        )

    def _register(self) -> None:
        """Begin Gmail's history of the mailbox, and give ids to its messages, unless this has been
        done before."""
        user_id, database = self.simulated_mailbox.user_id, self._database
        known = "SELECT 1 FROM gmail_mailbox WHERE mailbox_id = ?"
        if database.fetch_row(known, user_id):
            return
        with database.transaction():
            if database.fetch_row(known, user_id):
                return
            newest = self.newest_change_number_in_history
            database.execute_write("INSERT INTO gmail_mailbox VALUES (?, ?)", user_id, newest)
            database.execute_write(INSERT_MESSAGE_IDS_SQL, user_id)
            database.execute_write(
                "INSERT OR IGNORE INTO gmail_flags SELECT changed, number, is_read, is_flagged,"
                " importance = 'high' FROM message WHERE mailbox_id = ?",
                user_id,
            )


def message_flags_to_label_ids(*, is_read: bool, is_flagged: bool, is_important: bool) -> set[str]:
    flags = {UNREAD: not is_read, STARRED: is_flagged, IMPORTANT: is_important}
    return {label for label, is_set in flags.items() if is_set}
