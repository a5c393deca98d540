"""One simulated mailbox as its owner uses it; each change and its journal entry share a
transaction.

A message has an immutable id, which stays on every move, and a default id, which changes. The Graph
server only reads what is stored here.
"""

import sqlite3
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from secrets import token_bytes
from typing import Any

import orjson

from localdev.mail.item import MailItem
from localdev.simulators.database import Database
from localdev.simulators.folders import FolderTree
from localdev.simulators.message import properties_of, wire_time

_IMPORT_BATCH = 500


class MessageNotFound(Exception):
    """The mailbox has no message with this id, neither as immutable nor as default id."""


class MessageAlreadyPurged(Exception):
    """The message cannot be deleted, because it is in the folder of purges already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message of a mailbox.

    `properties` are those of Graph's message, without ids, folder, read state and body.
    """

    seq: int
    folder_id: str
    immutable_id: str
    default_id: str
    change_key: str
    received_at: str
    is_read: bool
    properties: dict[str, Any]
    body_type: str
    body: str


MESSAGE_COLUMNS = (
    "seq, folder_id, immutable_id, default_id, change_key, received_at, is_read, properties,"
    " body_type, body"
)


def stored_message(row: sqlite3.Row) -> StoredMessage:
    fields = {**dict(row), "is_read": bool(row["is_read"])}
    return StoredMessage(**{**fields, "properties": orjson.loads(row["properties"])})


class Mailbox:
    """Messages and folders of one user. Every method accepts immutable and default ids."""

    def __init__(self, database: Database, user_id: str) -> None:
        owner = database.row("SELECT * FROM mailbox WHERE id = ?", user_id)
        assert owner is not None, f"no mailbox {user_id}"
        self.user_id = user_id
        self.address = str(owner["address"])
        self.display_name = str(owner["display_name"])
        self.folders = FolderTree(database, user_id)
        self.database = database

    def message(self, message_id: str) -> StoredMessage:
        """Return the message with this id. Raises MessageNotFound."""
        row = self.database.row(
            f"SELECT {MESSAGE_COLUMNS} FROM message"
            " WHERE (immutable_id = ? OR default_id = ?) AND mailbox_id = ?",
            *(message_id, message_id, self.user_id),
        )
        if row is None:
            raise MessageNotFound(message_id)
        return stored_message(row)

    def messages(self, folder: str) -> list[StoredMessage]:
        """Return all messages of a folder, newest first."""
        rows = self.database.rows(
            f"SELECT {MESSAGE_COLUMNS} FROM message WHERE folder_id = ?"
            " ORDER BY received_at DESC, seq DESC",
            self.folders.find(folder).id,
        )
        return [stored_message(row) for row in rows]

    def deliver(self, item: MailItem, folder: str = "inbox") -> str:
        """Store a new message in the folder; return its immutable id."""
        return self._insert(item, self.folders.find(folder).id)

    def load(self, items: Iterable[MailItem]) -> int:
        """Store many messages, creating the folders that they name; return the number stored."""
        stored, remaining = 0, iter(items)
        paths: dict[tuple[str, ...], str] = {}
        while batch := list(islice(remaining, _IMPORT_BATCH)):
            with self.database.transaction():
                for item in batch:
                    if item.folder not in paths:
                        paths[item.folder] = self.folder_at(item.folder)
                    self._insert(item, paths[item.folder])
            stored += len(batch)
        return stored

    def folder_at(self, path: tuple[str, ...]) -> str:
        """Return the id of the folder at a path of display names below the root; create missing
        folders."""
        parent = self.folders.find("msgfolderroot" if path else "inbox").id
        for name in path:
            named = [one.id for one in self.folders.children(parent) if one.display_name == name]
            parent = named[0] if named else self.folders.create(name, parent=parent).id
        return parent

    def update(self, message_id: str, **changes: Any) -> None:
        """Change properties of a message by their Graph names, e.g. `isRead=True,
        categories=["Red"]`.

        As in Graph, a new read state alone does not change change key and modification time.
        """
        with self.database.transaction():
            message = self.message(message_id)
            is_read = bool(changes.get("isRead", message.is_read))
            change_key, properties = message.change_key, message.properties
            if changes.keys() - {"isRead"}:
                change_key = new_change_key()
                properties = {
                    **properties,
                    **changes,
                    "lastModifiedDateTime": _now(),
                }
                properties.pop("isRead", None)
            self.database.write(
                "UPDATE message SET is_read = ?, change_key = ?, properties = ? WHERE seq = ?",
                *(is_read, change_key, orjson.dumps(properties), message.seq),
            )
            self._journal("update", message, fields=",".join(changes))

    def move(self, message_id: str, destination: str) -> str:
        """Move the message; return its immutable id, which stays. Its default id changes."""
        with self.database.transaction():
            message, target = self.message(message_id), self.folders.find(destination)
            kind = "older moved in" if self._is_older(message, target.id) else "moved in"
            self._journal("gone", message)
            self.database.write(
                "UPDATE message SET folder_id = ?, default_id = ?, change_key = ? WHERE seq = ?",
                *(target.id, new_default_id(), new_change_key(), message.seq),
            )
            self._journal(kind, self.message(message.immutable_id))
            return message.immutable_id

    def copy(self, message_id: str, destination: str) -> str:
        """Copy the message to a folder; return the copy's immutable id."""
        with self.database.transaction():
            message, target = self.message(message_id), self.folders.find(destination)
            new_id = new_immutable_id()
            self.database.write(
                "INSERT INTO message (mailbox_id, folder_id, immutable_id, default_id, change_key,"
                " received_at, is_read, properties, body_type, body)"
                " SELECT mailbox_id, ?, ?, ?, ?, received_at, is_read, properties, body_type, body"
                " FROM message WHERE seq = ?",
                *(target.id, new_id, new_default_id(), new_change_key(), message.seq),
            )
            self._journal("created", self.message(new_id))
            return new_id

    def delete(self, message_id: str) -> None:
        """Move the message to Deleted Items; a message that is already there to the recoverable
        items.

        No listing contains the recoverable items.
        """
        folder = self.message(message_id).folder_id
        deleted = folder == self.folders.find("deleteditems").id
        self.move(message_id, "recoverableitemsdeletions" if deleted else "deleteditems")

    def delete_permanently(self, message_id: str) -> None:
        """Move the message to the folder of purges, where clients can read it only by its id.

        Raises MessageAlreadyPurged when it is in that folder already.
        """
        purges = self.folders.find("recoverableitemspurges").id
        if self.message(message_id).folder_id == purges:
            raise MessageAlreadyPurged(message_id)
        self.move(message_id, purges)

    def purge(self, message_id: str) -> None:
        """Delete the message with all traces, as the service does after the retention period."""
        with self.database.transaction():
            message = self.message(message_id)
            self._journal("gone", message)
            self.database.write("DELETE FROM message WHERE seq = ?", message.seq)

    def send_draft(self, message_id: str) -> str:
        """Turn a draft into a sent message with the same immutable id; return the id."""
        with self.database.transaction():
            self.update(message_id, isDraft=False, sentDateTime=_now())
            return self.move(message_id, "sentitems")

    def renew_immutable_id(self, message_id: str) -> str:
        """Give the message a new immutable id, as an export and import into its folder does."""
        with self.database.transaction():
            copied = self.copy(message_id, self.message(message_id).folder_id)
            self.purge(message_id)
            return copied

    def delete_folder(self, folder: str) -> None:
        """Move the folder with its mail to Deleted Items."""
        self.folders.move(folder, "deleteditems")

    def purge_folder(self, folder: str) -> None:
        """Delete the folder, its child folders and all their mail."""
        with self.database.transaction():
            for child in self.folders.children(folder):
                self.purge_folder(child.id)
            for message in self.messages(folder):
                self.purge(message.immutable_id)
            self.folders.remove(folder)

    def expire_delta_links(self, folder: str | None = None) -> None:
        """Make every delta link issued so far fail with 410: of one folder, or of the mailbox."""
        folders = [self.folders.find(folder).id] if folder else self._every_chain()
        for folder_id in folders:
            self.database.write(
                "UPDATE chain SET first_valid = highest + 1 WHERE folder_id = ?", folder_id
            )

    def _every_chain(self) -> list[str]:
        return [self.user_id, *(folder.id for folder in self.folders.all())]

    def _insert(self, item: MailItem, folder_id: str) -> str:
        immutable_id, default_id = new_immutable_id(), new_default_id()
        properties = orjson.dumps(properties_of(item))
        self.database.write(
            "INSERT INTO message (mailbox_id, folder_id, immutable_id, default_id, change_key,"
            " received_at, is_read, properties, body_type, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(self.user_id, folder_id, immutable_id, default_id, new_change_key()),
            *(wire_time(item.received_at), item.is_read, properties, item.body_type, item.body),
        )
        self._write_change("created", folder_id, immutable_id, default_id)
        return immutable_id

    def _is_older(self, message: StoredMessage, folder_id: str) -> bool:
        """Return whether the message is older than all in the folder.

        When such a message is moved into the folder, the service reports it twice.
        """
        oldest = self.database.row(
            "SELECT min(received_at) AS at FROM message WHERE folder_id = ?", folder_id
        )
        return bool(oldest and oldest["at"] and message.received_at < oldest["at"])

    def _journal(self, kind: str, message: StoredMessage, fields: str = "") -> None:
        ids = message.immutable_id, message.default_id
        self._write_change(kind, message.folder_id, *ids, fields)

    def _write_change(
        self, kind: str, folder_id: str, immutable_id: str, default_id: str, fields: str = ""
    ) -> None:
        self.database.write(
            "INSERT INTO change (mailbox_id, folder_id, kind, immutable_id, default_id, fields)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            *(self.user_id, folder_id, kind, immutable_id, default_id, fields),
        )


def _now() -> str:
    return wire_time(datetime.now(UTC))


def new_immutable_id() -> str:
    return "AAkALgAAAAAAHYQDEapm" + urlsafe_b64encode(token_bytes(39)).decode()


def new_default_id() -> str:
    return "AAMkAGI2THVSAAA" + urlsafe_b64encode(token_bytes(102)).decode() + "="


def new_change_key() -> str:
    return "CQAAABYAAAC" + b64encode(token_bytes(21)).decode() + "="
