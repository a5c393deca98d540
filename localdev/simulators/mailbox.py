"""Store one simulated mailbox, and change it as its owner can. Nothing here depends on a provider.

Each provider's simulated server translates the stored mailbox into the ids and forms of the
provider. The server writes provider-specific data only to its own tables. Each change of the
mailbox and the change's journal entry are written in one transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import orjson

from localdev.mail.item import MailItem
from localdev.simulators.database import SimulatorDatabase
from localdev.simulators.folders import PURGED, RETAINED, Folder, FolderNumberOrRole, FolderTree
from localdev.simulators.journal import ChangeKind, MailboxChangeJournal
from localdev.simulators.message import (
    MAIL_ITEM_FIELDS_NOT_SHARED_BY_COPIES,
    SELECT_MESSAGE_SQL,
    Message,
    Placement,
    blob_json_of_mail_item,
    message_columns_of_mail_item,
    row_to_message,
)
from localdev.simulators.wire_time import format_utc_seconds
from mailsync.mime.preview import make_preview

_IMPORT_BATCH = 500


class MessageNotFound(Exception):
    """The mailbox has no message with the given number or id of the provider."""


class MessageNotInFolder(LookupError):
    """A message cannot be taken out of a folder, because it is not in that folder."""


class MessageAlreadyPurged(Exception):
    """A message cannot be deleted permanently, because it was deleted permanently before."""


_AMONG = "folder IN (SELECT value FROM json_each(?))"


class Mailbox:
    """The messages and folders of one user. A message keeps its number when it moves."""

    def __init__(self, database: SimulatorDatabase, user_id: str) -> None:
        owner = database.fetch_row("SELECT * FROM mailbox WHERE id = ?", user_id)
        assert owner is not None, f"no mailbox {user_id}"
        self.user_id = user_id
        self.address = str(owner["address"])
        self.display_name = str(owner["display_name"])
        self.journal = MailboxChangeJournal(database, user_id)
        self.folders = FolderTree(database, user_id, self.journal)
        self.database = database

    def find_message(self, number: int) -> Message:
        """Return the message with this number. Raises MessageNotFound."""
        found = self.find_messages_by_number([number])
        if not found:
            raise MessageNotFound(number)
        return found[0]

    def read_original_message_bytes(self, blob_number: int) -> bytes | None:
        """Return the bytes of a message as it was received (RFC 5322). `blob_number` is the
        message's `content_blob_id`. Return None if the bytes were not kept, or the content was
        changed or deleted."""
        row = self.database.fetch_row("SELECT content FROM original WHERE blob = ?", blob_number)
        return bytes(row["content"]) if row else None

    def find_messages_by_number(self, numbers: Sequence[int]) -> list[Message]:
        """Return the messages with these numbers, in any order; unknown numbers are skipped."""
        rows = self.database.fetch_rows(
            f"{SELECT_MESSAGE_SQL} WHERE m.mailbox_id = ?"
            " AND m.number IN (SELECT value FROM json_each(?))",
            *(self.user_id, orjson.dumps(list(numbers)).decode()),
        )
        return [row_to_message(row) for row in rows]

    def list_messages_in_folders(
        self,
        *folders: FolderNumberOrRole,
        older_than: tuple[str, int] | None = None,
        since: str = "",
        skip: int = 0,
        limit: int = -1,
    ) -> list[Message]:
        """Return the messages of the folders, newest first. A message that is in several of these
        folders appears once.

        older_than: `received_at_sort_key` of a message; return only messages older than this one.
        since: text of `format_utc_seconds`; return only messages received then or later.
        skip: number of messages to leave out at the beginning.
        limit: maximum number of messages to return. -1: no limit.
        """
        numbers = [self.folders.find_folder(folder).number for folder in folders]
        # One folder is read in the order of its index; only several can have a message twice.
        chosen, once = ("folder = ?", "") if len(numbers) == 1 else (_AMONG, "GROUP BY message")
        value = numbers[0] if len(numbers) == 1 else orjson.dumps(numbers).decode()
        rows = self.database.fetch_rows(
            f"{SELECT_MESSAGE_SQL} WHERE m.number IN (SELECT message FROM placement"
            f"   WHERE {chosen} AND (received_at, message) < (?, ?) AND received_at >= ? {once}"
            "   ORDER BY received_at DESC, message DESC LIMIT ? OFFSET ?)"
            " ORDER BY m.received_at DESC, m.number DESC",
            *(value, *(older_than or ("99999", 0)), since, limit, skip),
        )
        return [row_to_message(row) for row in rows]

    def count_messages_in_folders(self, *folders: FolderNumberOrRole) -> int:
        """Return the number of different messages in the folders, counted from the placements."""
        numbers = [self.folders.find_folder(folder).number for folder in folders]
        row = self.database.fetch_row(
            f"SELECT count(DISTINCT message) AS number FROM placement WHERE {_AMONG}",
            orjson.dumps(numbers).decode(),
        )
        return int(row["number"]) if row else 0

    def deliver_message(self, item: MailItem, folder: FolderNumberOrRole = "inbox") -> int:
        """Store a new message in the folder; return its number."""
        with self.database.transaction():
            return self._insert(item, self.folders.find_folder(folder).number)

    def import_mail_items(self, items: Iterable[MailItem]) -> int:
        """Store many messages, creating the folders that they name; return the number stored."""
        stored, remaining = 0, iter(items)
        paths: dict[tuple[str, ...], int] = {}
        while batch := list(islice(remaining, _IMPORT_BATCH)):
            with self.database.transaction():
                for item in batch:
                    if item.folder not in paths:
                        paths[item.folder] = self.find_or_create_folder(item.folder)
                    self._insert(item, paths[item.folder])
            stored += len(batch)
        return stored

    def find_or_create_folder(self, path: tuple[str, ...]) -> int:
        """Return the number of the folder with this path, and create missing folders.

        path: names of the folders from the top of the tree on. Empty: the inbox.
        """
        folder: Folder | None = None if path else self.folders.find_folder("inbox")
        for name in path:
            parent = folder.number if folder else None
            named = [each for each in self.folders.list_child_folders(parent) if each.name == name]
            folder = named[0] if named else self.folders.create_folder(name, parent=parent)
        assert folder is not None
        return folder.number

    def set_message_read(self, number: int, *, is_read: bool = True) -> None:
        self.change_message_fields(number, is_read=is_read)

    def set_message_flagged(self, number: int, *, is_starred: bool = True) -> None:
        self.change_message_fields(number, is_flagged=is_starred)

    def change_message_fields(
        self, number: int, *, attributes: dict[str, Any] | None = None, **fields: Any
    ) -> None:
        """Set fields of a message, named as in `MailItem`, to new values.

        attributes: values to set in the message's provider-specific attributes.
        """
        with self.database.transaction():
            message = self.find_message(number)
            given = attributes or {}
            names = frozenset(fields) | frozenset(given)
            item = replace(message.mail_item, **fields)
            number_of_change = self._journal_of_field(message, names)
            modified_at = message.modified_at if names == {"is_read"} else datetime.now(UTC)
            blob = message.content_blob_id
            if fields.keys() - set(MAIL_ITEM_FIELDS_NOT_SHARED_BY_COPIES):
                blob = self._insert_blob(item)
            self.database.execute_write(
                "UPDATE message SET blob = ?, modified_at = ?, changed = ?, is_read = ?,"
                " is_flagged = ?, is_draft = ?, importance = ?, categories = ?, attributes = ?"
                " WHERE number = ?",
                *(
                    blob,
                    format_utc_seconds(modified_at),
                    number_of_change,
                    *message_columns_of_mail_item(item),
                ),
                *(orjson.dumps(message.provider_specific_attributes | given).decode(), number),
            )

    def move_message(
        self,
        number: int,
        destination: FolderNumberOrRole,
        *,
        source: FolderNumberOrRole | None = None,
    ) -> None:
        """Move the message from one of its folders to the folder `destination`.

        source: the folder that the message leaves. None: its only folder.
        """
        with self.database.transaction():
            left = self._placement(self.find_message(number), source)
            target = self.folders.find_folder(destination).number
            placed = self._journal_of_placement(ChangeKind.MESSAGE_MOVED, number, target, left)
            self._remove_placement(number, left)
            self._place(number, target, placed)

    def copy_message(self, number: int, destination: FolderNumberOrRole) -> int:
        """Create a copy of the message in the folder `destination`; return the copy's number."""
        with self.database.transaction():
            self.find_message(number)
            columns = (
                "mailbox_id, blob, thread, received_at, modified_at, is_read, is_flagged,"
                " is_draft, importance, categories, attributes"
            )
            self.database.execute_write(
                f"INSERT INTO message ({columns}) SELECT {columns} FROM message WHERE number = ?",
                number,
            )
            copied = self.database.last_inserted_row_id()
            self.add_message_to_folder(copied, destination)
            return copied

    def add_message_to_folder(self, number: int, folder: FolderNumberOrRole) -> None:
        """Place the message in a further folder, as adding a label does."""
        with self.database.transaction():
            target = self.folders.find_folder(folder).number
            added = self._journal_of_placement(ChangeKind.MESSAGE_ADDED_TO_FOLDER, number, target)
            self._place(number, target, added)

    def remove_message_from_folder(self, number: int, folder: FolderNumberOrRole) -> None:
        """Remove the message from a folder. The message stays in the database, even if it is then
        in no folder."""
        with self.database.transaction():
            left = self._placement(self.find_message(number), folder)
            self._journal_of_placement(ChangeKind.MESSAGE_REMOVED_FROM_FOLDER, number, None, left)
            self._remove_placement(number, left)

    def move_message_to_trash_or_retained(self, number: int) -> None:
        """Delete the message as a mail program does: move it to the trash. Move a message that is
        already in the trash to the folder RETAINED outside the folder tree.

        In both cases the owner can restore the message by moving it to another folder.
        """
        is_in_trash = (
            self.find_message(number).only_folder_number == self.folders.find_folder("trash").number
        )
        self.move_message(number, RETAINED if is_in_trash else "trash")

    def move_message_to_purged_folder(self, number: int) -> None:
        """Move the message to the folder PURGED outside the folder tree. The owner cannot restore
        it, but the server still stores it.

        Raises:
            MessageAlreadyPurged: the message was deleted permanently before.
        """
        if self.find_message(number).only_folder_number == self.folders.find_folder(PURGED).number:
            raise MessageAlreadyPurged(number)
        self.move_message(number, PURGED)

    def delete_message_from_database(self, number: int) -> None:
        """Delete the message from the database, as servers do after the retention period."""
        with self.database.transaction():
            placements = self.find_message(number).placements
            for placement in placements:
                self._journal_of_placement(
                    ChangeKind.MESSAGE_REMOVED_FROM_FOLDER, number, None, placement
                )
                self._remove_placement(number, placement)
            if not placements:
                self._journal_of_placement(ChangeKind.MESSAGE_REMOVED_FROM_FOLDER, number, None)
            self.database.execute_write("DELETE FROM message WHERE number = ?", number)

    def send_draft(self, number: int) -> None:
        """Make a draft a sent message and move it to the folder `sent`; its number stays."""
        with self.database.transaction():
            self.change_message_fields(number, is_draft=False, sent_at=datetime.now(UTC))
            self.move_message(number, "sent")

    def replace_message_by_copy_with_new_id(self, number: int) -> int:
        """Replace the message by a copy with a new number in the same folder, as exporting and
        importing the message does. Return the number of the copy."""
        with self.database.transaction():
            copied = self.copy_message(number, self.find_message(number).only_folder_number)
            self.delete_message_from_database(number)
            return copied

    def create_folder(self, name: str, **fields: Any) -> int:
        """Create a folder; return its number in this mailbox."""
        return self.folders.create_folder(name, **fields).number

    def rename_folder(self, folder: FolderNumberOrRole, name: str) -> None:
        self.folders.rename_folder(folder, name)

    def move_folder_to_trash(self, folder: FolderNumberOrRole) -> None:
        """Move the folder with its mail to the trash."""
        self.folders.move_folder(folder, "trash")

    def delete_folder_from_database(self, folder: FolderNumberOrRole) -> None:
        """Delete the folder, its child folders and all their mail."""
        with self.database.transaction():
            for child in self.folders.list_child_folders(folder):
                self.delete_folder_from_database(child.number)
            for message in self.list_messages_in_folders(folder):
                self.delete_message_from_database(message.message_number)
            self.folders.remove_empty_folder(folder)

    def recreate_empty_mailbox(self) -> None:
        """Delete all messages and folders of the mailbox, and create the standard folders.

        This simulates a new mailbox in place of a deleted mailbox of the user. The journal
        continues, and has no entries for what was deleted.
        """
        own = "IN (SELECT number FROM folder WHERE mailbox_id = ?)"
        with self.database.transaction():
            self.database.execute_write(f"DELETE FROM placement WHERE folder {own}", self.user_id)
            for table in ("message", "folder"):
                statement = f"DELETE FROM {table} WHERE mailbox_id = ?"
                self.database.execute_write(statement, self.user_id)
            self.folders.create_standard_folders()

    def expire_cursors(self, folder: FolderNumberOrRole | None = None) -> None:
        """Make all cursors of change feeds that were issued so far invalid.

        folder: the folder whose feed's cursors expire. None: all cursors of the mailbox.
        """
        number = None if folder is None else self.folders.find_folder(folder).number
        self.journal.write_entry(ChangeKind.CURSORS_EXPIRED, folder=number)

    def _insert(self, item: MailItem, folder: int) -> int:
        received_at = format_utc_seconds(item.received_at)
        self.database.execute_write(
            "INSERT INTO message (mailbox_id, blob, thread, received_at, modified_at, is_read,"
            " is_flagged, is_draft, importance, categories) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(self.user_id, self._insert_blob(item), item.conversation or item.subject),
            *(received_at, received_at, *message_columns_of_mail_item(item)),
        )
        number = self.database.last_inserted_row_id()
        added = self._journal_of_placement(ChangeKind.MESSAGE_ADDED_TO_FOLDER, number, folder)
        self._place(number, folder, added)
        return number

    def _insert_blob(self, item: MailItem) -> int:
        self.database.execute_write(
            "INSERT INTO blob (content, preview, body_type, body) VALUES (?, ?, ?, ?)",
            *(blob_json_of_mail_item(item), make_preview(item.body, item.body_type)),
            *(item.body_type, item.body),
        )
        number = self.database.last_inserted_row_id()
        if item.original is not None:
            self.database.execute_write("INSERT INTO original VALUES (?, ?)", number, item.original)
        return number

    def _place(self, number: int, folder: int, placement: int) -> None:
        self.database.execute_write(
            "INSERT INTO placement SELECT number, ?, ?, received_at FROM message WHERE number = ?",
            *(folder, placement, number),
        )
        self.database.execute_write(
            "UPDATE message SET changed = ? WHERE number = ?", placement, number
        )

    def _remove_placement(self, number: int, placement: Placement) -> None:
        self.database.execute_write(
            "DELETE FROM placement WHERE message = ? AND folder = ?",
            number,
            placement.folder_number,
        )

    def _placement(self, message: Message, folder: FolderNumberOrRole | None) -> Placement:
        if folder is None:
            return message.only_placement
        number = self.folders.find_folder(folder).number
        for placement in message.placements:
            if placement.folder_number == number:
                return placement
        raise MessageNotInFolder(f"message {message.message_number} is not in folder {folder}")

    def _journal_of_placement(
        self, kind: ChangeKind, message: int, folder: int | None, left: Placement | None = None
    ) -> int:
        return self.journal.write_entry(
            kind,
            message,
            folder=folder,
            source=left.folder_number if left else None,
            source_placement=left.change_number if left else None,
        )

    def _journal_of_field(self, message: Message, names: frozenset[str]) -> int:
        only = message.placements[0] if len(message.placements) == 1 else None
        return self.journal.write_entry(
            ChangeKind.MESSAGE_CHANGED,
            message.message_number,
            folder=only.folder_number if only else None,
            placement=only.change_number if only else None,
            fields=names,
        )
