"""The folder tree of one mailbox: well-known, localized, hidden and search folders."""

import sqlite3
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from secrets import token_bytes

from localdev.simulators.database import Database

# Outlook's well-known folders (Microsoft Graph docs, mailFolder resource) and their names.
ROLES = {
    "inbox": "Inbox",
    "drafts": "Drafts",
    "sentitems": "Sent Items",
    "deleteditems": "Deleted Items",
    "archive": "Archive",
    "junkemail": "Junk Email",
    "outbox": "Outbox",
    "conversationhistory": "Conversation History",
}
_ABOVE_THE_ROOT = {
    "msgfolderroot": "Top of Information Store",
    "recoverableitemsdeletions": "Deletions",
    "recoverableitemspurges": "Purges",
    "searchfolders": "Finder",
}
_HIDDEN_ROLES = frozenset({"conversationhistory"})


class FolderNotFound(Exception):
    """The mailbox has no folder with this id or role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A mail folder.

    role: its well-known name, such as `inbox`; None for other folders.
    search_filter: the filter of a search folder; None for other folders.
    """

    seq: int
    id: str
    parent_id: str | None
    display_name: str
    role: str | None
    is_hidden: bool
    search_filter: str | None
    total: int = 0
    unread: int = 0
    children: int = 0


_SELECT = """
SELECT seq, id, parent_id, display_name, role, is_hidden, search_filter, total, unread,
       (SELECT count(*) FROM folder AS child
         WHERE child.parent_id = folder.id AND child.is_hidden = 0) AS children
  FROM folder WHERE mailbox_id = ?
"""


class FolderTree:
    """The folders of one mailbox; each change and its journal entry share one transaction."""

    def __init__(self, database: Database, mailbox_id: str) -> None:
        self._database = database
        self._mailbox_id = mailbox_id

    def create_well_known_folders(self) -> None:
        """Create the well-known folders."""
        with self._database.transaction():
            for role, name in _ABOVE_THE_ROOT.items():
                self.create(name, role=role, parent=None)
            for role, name in ROLES.items():
                self.create(name, role=role, hidden=role in _HIDDEN_ROLES)

    def find(self, reference: str) -> Folder:
        """Return the folder with this id, or role in any case. Raises FolderNotFound."""
        row = self._database.row(
            _SELECT + "AND (id = ? OR role = ?)", self._mailbox_id, reference, reference.lower()
        )
        if row is None:
            raise FolderNotFound(reference)
        return _folder(row)

    def all(self) -> list[Folder]:
        """Return all folders below the root, at every level, in the order of their creation."""
        everything = {
            row["id"]: _folder(row)
            for row in self._database.rows(_SELECT + "ORDER BY seq", self._mailbox_id)
        }
        return [each for each in everything.values() if self._is_below_root(each, everything)]

    def children(self, parent: str) -> list[Folder]:
        folder = self.find(parent)
        rows = self._database.rows(
            _SELECT + "AND parent_id = ? ORDER BY seq", self._mailbox_id, folder.id
        )
        return [_folder(row) for row in rows]

    def create(
        self,
        name: str,
        *,
        parent: str | None = "msgfolderroot",
        role: str | None = None,
        hidden: bool = False,
        search_filter: str | None = None,
    ) -> Folder:
        new_id = "AAMkAGI2T" + urlsafe_b64encode(token_bytes(83))[:110].decode() + "="
        with self._database.transaction():
            parent_id = self.find(parent).id if parent else None
            self._database.write(
                "INSERT INTO folder (mailbox_id, id, parent_id, display_name, role, is_hidden,"
                " search_filter) VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(self._mailbox_id, new_id, parent_id, name, role, hidden, search_filter),
            )
            if parent_id:
                self._journal(new_id, "folder")
        return self.find(new_id)

    def rename(self, reference: str, name: str) -> None:
        self._set(reference, "display_name", name)

    def move(self, reference: str, parent: str) -> None:
        self._set(reference, "parent_id", self.find(parent).id)

    def remove(self, reference: str) -> None:
        """Remove the folder; the caller has already moved or deleted its mail."""
        with self._database.transaction():
            folder = self.find(reference)
            self._database.write("DELETE FROM folder WHERE id = ?", folder.id)
            self._journal(folder.id, "folder gone")

    def _set(self, reference: str, column: str, value: str) -> None:
        with self._database.transaction():
            folder = self.find(reference)
            self._database.write(f"UPDATE folder SET {column} = ? WHERE id = ?", value, folder.id)
            self._journal(folder.id, "folder")

    def _journal(self, folder_id: str, kind: str) -> None:
        self._database.write(
            "INSERT INTO change (mailbox_id, folder_id, kind) VALUES (?, ?, ?)",
            *(self._mailbox_id, folder_id, kind),
        )

    def _is_below_root(self, folder: Folder, everything: dict[str, Folder]) -> bool:
        parent = everything.get(folder.parent_id or "")
        while parent and parent.role != "msgfolderroot":
            parent = everything.get(parent.parent_id or "")
        return parent is not None


def _folder(row: sqlite3.Row) -> Folder:
    return Folder(**{**dict(row), "is_hidden": bool(row["is_hidden"])})
