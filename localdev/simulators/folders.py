"""Store the folder tree of a simulated mailbox. Folders may be nested, hidden, or search
folders."""

import sqlite3
from dataclasses import dataclass

from localdev.simulators.database import SimulatorDatabase
from localdev.simulators.journal import ChangeKind, MailboxChangeJournal

ORDINARY_FOLDER_ROLE = "other"
DISPLAY_NAME_BY_ROLE = {
    "inbox": "Inbox",
    "drafts": "Drafts",
    "sent": "Sent Items",
    "trash": "Deleted Items",
    "archive": "Archive",
    "junk": "Junk Email",
    "outbox": "Outbox",
}
"""Names of the folders that every simulated mailbox has, by role (see `mailsync.model.Role`)."""
RETAINED, PURGED = "retained", "purged"
"""Roles of two folders outside the tree, in which a mail server keeps deleted mail for a time: mail
that its owner can still restore (RETAINED), and mail that was deleted permanently (PURGED)."""
_OUTSIDE_THE_TREE = {RETAINED: "Deletions", PURGED: "Purges"}

FolderNumberOrRole = int | str
"""A reference to a folder: its number, or its role. The role `other` refers to no folder."""


class FolderMoveRefused(Exception):
    """A folder cannot be moved into itself or into a folder below it."""


class FolderNotFound(Exception):
    """The mailbox has no folder with the given number, role, or id of the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A mail folder of a simulated mailbox.

    parent: number of the parent folder. None: the folder is at the top of the tree.
    search_filter: filter of a search folder. None: the folder is no search folder.
    total, unread: numbers of all messages and of unread messages in the folder.
    """

    number: int
    parent: int | None
    name: str
    role: str
    is_hidden: bool
    search_filter: str | None
    total: int = 0
    unread: int = 0


_SELECT = """
SELECT number, parent, name, role, is_hidden, search_filter, total, unread
  FROM folder WHERE mailbox_id = ?
"""


class FolderTree:
    """The folders of one simulated mailbox. Each change of a folder and its journal entry are
    written in one transaction."""

    def __init__(
        self, database: SimulatorDatabase, mailbox_id: str, journal: MailboxChangeJournal
    ) -> None:
        self._database = database
        self._mailbox_id = mailbox_id
        self._journal = journal

    def create_standard_folders(self) -> None:
        with self._database.transaction():
            for role, name in (_OUTSIDE_THE_TREE | DISPLAY_NAME_BY_ROLE).items():
                self.create_folder(name, role=role)

    def find_folder(self, reference: FolderNumberOrRole) -> Folder:
        """Return the folder with this number or role. Raises FolderNotFound."""
        column = (
            "number" if isinstance(reference, int) else f"role <> '{ORDINARY_FOLDER_ROLE}' AND role"
        )
        row = self._database.fetch_row(f"{_SELECT} AND {column} = ?", self._mailbox_id, reference)
        if row is None:
            raise FolderNotFound(reference)
        return _folder(row)

    def list_all_folders(self) -> list[Folder]:
        """Return all folders of the tree, at every level, in the order of their creation."""
        everything = {
            row["number"]: _folder(row)
            for row in self._database.fetch_rows(_SELECT + "ORDER BY number", self._mailbox_id)
        }
        return [folder for folder in everything.values() if _is_in_tree(folder, everything)]

    def list_child_folders(self, parent: FolderNumberOrRole | None) -> list[Folder]:
        """Return the child folders of `parent`. None as `parent`: return the top level of the
        tree."""
        number = None if parent is None else self.find_folder(parent).number
        rows = self._database.fetch_rows(
            _SELECT + "AND parent IS ? ORDER BY number", self._mailbox_id, number
        )
        return [_folder(row) for row in rows if row["role"] not in _OUTSIDE_THE_TREE]

    def create_folder(
        self,
        name: str,
        *,
        parent: FolderNumberOrRole | None = None,
        role: str = ORDINARY_FOLDER_ROLE,
        hidden: bool = False,
        search_filter: str | None = None,
    ) -> Folder:
        """Create a folder; return it. None as `parent`: create it at the top of the tree."""
        with self._database.transaction():
            above = None if parent is None else self.find_folder(parent).number
            self._database.execute_write(
                "INSERT INTO folder (mailbox_id, parent, name, role, is_hidden, search_filter)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                *(self._mailbox_id, above, name, role, hidden, search_filter),
            )
            number = self._database.last_inserted_row_id()
            if role not in _OUTSIDE_THE_TREE:
                self._journal.write_entry(ChangeKind.FOLDER_CREATED_OR_CHANGED, folder=number)
        return self.find_folder(number)

    def rename_folder(self, reference: FolderNumberOrRole, name: str) -> None:
        self._set(reference, "name", name)

    def move_folder(self, reference: FolderNumberOrRole, parent: FolderNumberOrRole | None) -> None:
        """Move the folder with all folders below it. Raises FolderMoveRefused."""
        moved, above = (
            self.find_folder(reference).number,
            None if parent is None else self.find_folder(parent),
        )
        while above:
            if above.number == moved:
                raise FolderMoveRefused("The folder would be inside itself.")
            above = None if above.parent is None else self.find_folder(above.parent)
        self._set(reference, "parent", None if parent is None else self.find_folder(parent).number)

    def remove_empty_folder(self, reference: FolderNumberOrRole) -> None:
        """Remove the folder. The caller must have moved or deleted the folder's mail before."""
        with self._database.transaction():
            folder = self.find_folder(reference)
            self._database.execute_write("DELETE FROM folder WHERE number = ?", folder.number)
            self._journal.write_entry(ChangeKind.FOLDER_REMOVED, folder=folder.number)

    def _set(self, reference: FolderNumberOrRole, column: str, value: str | int | None) -> None:
        with self._database.transaction():
            folder = self.find_folder(reference)
            statement = f"UPDATE folder SET {column} = ? WHERE number = ?"
            self._database.execute_write(statement, value, folder.number)
            self._journal.write_entry(ChangeKind.FOLDER_CREATED_OR_CHANGED, folder=folder.number)


def _is_in_tree(folder: Folder, everything: dict[int, Folder]) -> bool:
    """Return whether the folder belongs to the tree: its parent folders exist up to the top, and
    none of them is RETAINED or PURGED."""
    above: Folder | None = folder
    while above and above.role not in _OUTSIDE_THE_TREE:
        if above.parent is None:
            return True
        above = everything.get(above.parent)
    return False


def _folder(row: sqlite3.Row) -> Folder:
    return Folder(**{**dict(row), "is_hidden": bool(row["is_hidden"])})
