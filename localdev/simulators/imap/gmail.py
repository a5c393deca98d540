"""Show a simulated mailbox as Gmail's IMAP server does: labels as folders, and X-GM-EXT-1.

The simulated mailbox is the same for every provider; this module translates it. A message in the
mailbox's folder `trash` or `junk` appears only in that folder. Every other message appears in All
Mail, which is the mailbox's folder `archive`, and in the folder of each of its labels. The UID of a
message in a folder is the number of the journal entry since which the folder shows the message with
its present contents. The X-GM-MSGID of a draft changes when the draft is edited, as in Gmail.
Renaming a label changes no mod-sequence. The folder Starred is always empty.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any

from localdev.mail.item import MailItem
from localdev.mail.modified_utf7 import encode_modified_utf7
from localdev.simulators.folders import PURGED, RETAINED, Folder
from localdev.simulators.gmail.ids import FIRST_MESSAGE_ID, make_numeric_thread_id_from_key
from localdev.simulators.imap.folder_state import (
    GmailMessageAttributes,
    MessageWithoutContents,
    SimulatedFolderReader,
    flags_of_row,
)
from localdev.simulators.imap.names import ImapFolder, to_imap_folders
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.journal import ChangeKind, JournalEntry
from localdev.simulators.mailbox import Mailbox

_OUTSIDE_CONTENTS = {"is_read", "is_flagged", "is_draft", "categories", "folder", "original"}
_OUTSIDE_CONTENTS |= {"importance"}
_CONTENTS = frozenset(each.name for each in fields(MailItem)) - _OUTSIDE_CONTENTS
_MESSAGES = """
SELECT m.number, m.received_at, m.blob, m.is_read, m.is_flagged, m.is_draft, m.categories,
       m.attributes, m.thread, m.importance, length(o.content) AS size
  FROM message m LEFT JOIN original o ON o.blob = m.blob WHERE m.mailbox_id = ?
"""
_SYSTEM_LABELS = {"inbox": "\\Inbox", "sent": "\\Sent", "drafts": "\\Draft"}
_STARRED = Folder(
    number=0, parent=None, name="", role="starred", is_hidden=False, search_filter=None
)
_ABOVE = replace(_STARRED, role="above")


@dataclass(slots=True)
class _Seen:
    """A message, as the entries of the journal describe it.

    contents: number of the change that gave the message its present contents.
    uids: UID of the message in each folder that shows the message, by folder number.
    """

    contents: int
    mod_seq: int
    placements: set[int] = field(default_factory=set)
    uids: dict[int, int] = field(default_factory=dict)


class GmailMailboxView:
    """The folders and messages of a simulated mailbox, as Gmail's IMAP server shows them.

    Each method first reads the journal entries that were written since the previous call.
    """

    def __init__(self, mailbox: Mailbox, options: ImapOptions) -> None:
        self.mailbox, self._options = mailbox, options
        self._until = 0
        self._seen: dict[int, _Seen] = {}
        self._newest_uids: dict[int, int] = {}
        self._newest_changes: dict[int, int] = {}

    def list_folders(self) -> list[ImapFolder]:
        """Return the folders that LIST shows. The counts of a folder include all messages that the
        folder shows.

        Two folders have no counterpart in the simulated mailbox: the folder `[Gmail]`, which only
        contains the system folders, and the folder `[Gmail]/Starred`, which stays empty.
        """
        self._read_on()
        rows = self._rows()
        shown = [(folder, rows[n]["is_read"]) for n in rows for folder in self._seen[n].uids]
        counted = [
            replace(
                each,
                total=sum(folder == each.number for folder, _ in shown),
                unread=sum(folder == each.number and not is_read for folder, is_read in shown),
            )
            for each in self.mailbox.folders.list_all_folders()
        ]
        return [
            *to_imap_folders(counted, self._options),
            ImapFolder(
                "[Gmail]", _ABOVE, has_children=True, always_listed_attributes=("\\Noselect",)
            ),
            ImapFolder("[Gmail]/Starred", _STARRED, has_children=False, special_use="\\Flagged"),
        ]

    def make_folder_reader(self, folder: int) -> "SimulatedGmailFolderReader":
        return SimulatedGmailFolderReader(self, folder)

    def find_gmail_message_id(self, number: int) -> int:
        self._read_on()
        return FIRST_MESSAGE_ID + self._seen[number].contents

    def find_message_uid_in_each_folder(self, number: int) -> Mapping[int, int]:
        """Return the UID of the message `number` in each folder that shows the message, by folder
        number."""
        self._read_on()
        return self._seen[number].uids

    def highest_folder_uid_and_mod_seq(self, folder: int) -> tuple[int, int]:
        """Return the highest UID that the folder has had (0: none), and its HIGHESTMODSEQ."""
        self._read_on()
        return self._newest_uids.get(folder, 0), self._newest_changes.get(folder, 1)

    def is_listed_message_still_there(self, listed: MessageWithoutContents, folder: int) -> bool:
        """Return whether the folder shows the message with the UID that it had when it was listed.

        Return False if the message was deleted, left the folder, or has another UID now.
        """
        statement = "SELECT 1 FROM message WHERE number = ?"
        exists = self.mailbox.database.fetch_row(statement, listed.message_number) is not None
        return (
            exists
            and self.find_message_uid_in_each_folder(listed.message_number).get(folder)
            == listed.uid
        )

    def list_messages(self, folder: int) -> list[MessageWithoutContents]:
        self._read_on()
        labels = self._label_by_folder()
        found = [
            self._listed(row, folder, labels)
            for number, row in self._rows().items()
            if folder in self._seen[number].uids
        ]
        return sorted(found, key=lambda each: each.uid)

    def _rows(self) -> dict[int, Any]:
        rows = self.mailbox.database.fetch_rows(_MESSAGES, self.mailbox.user_id)
        return {row["number"]: row for row in rows}

    def _listed(self, row: Any, folder: int, labels: Mapping[int, str]) -> MessageWithoutContents:
        seen = self._seen[row["number"]]
        named = {labels[each] for each in seen.placements if each != folder and each in labels}
        named |= {"\\Starred"} if row["is_flagged"] else set()
        named |= {"\\Important"} if row["importance"] == "high" else set()
        values = GmailMessageAttributes(
            FIRST_MESSAGE_ID + seen.contents,
            make_numeric_thread_id_from_key(row["thread"]),
            tuple(sorted(named)),
        )
        return MessageWithoutContents(
            seen.uids[folder],
            row["number"],
            row["blob"],
            row["thread"],
            row["received_at"],
            seen.mod_seq,
            flags_of_row(row),
            row["size"],
            values,
        )

    def _label_by_folder(self) -> dict[int, str]:
        """Return the label of each folder as X-GM-LABELS names it, by folder number. All Mail,
        Trash and Spam are no labels and are left out."""
        folders = self.mailbox.folders.list_all_folders()
        named = {
            each.simulated_folder.number: each.name
            for each in to_imap_folders(folders, self._options)
        }
        roles = {each.number: each.role for each in folders}
        return {
            number: _SYSTEM_LABELS.get(roles[number], encode_modified_utf7(name))
            for number, name in named.items()
            if roles[number] not in ("archive", "trash", "junk")
        }

    def _read_on(self) -> None:
        find = self.mailbox.folders.find_folder
        roles = {role: find(role).number for role in ("archive", "trash", "junk", RETAINED, PURGED)}
        for entry in self.mailbox.journal.list_entries_after_change_number(self._until):
            self._until = entry.change_number
            if entry.message_number is not None:
                self._apply(entry, roles)

    def _apply(self, entry: JournalEntry, roles: Mapping[str, int]) -> None:
        assert entry.message_number is not None
        seen = self._seen.setdefault(
            entry.message_number, _Seen(entry.change_number, entry.change_number)
        )
        seen.mod_seq = entry.change_number
        if entry.source_folder_number is not None:
            seen.placements.discard(entry.source_folder_number)
        if (
            entry.kind in (ChangeKind.MESSAGE_ADDED_TO_FOLDER, ChangeKind.MESSAGE_MOVED)
            and entry.folder_number is not None
        ):
            seen.placements.add(entry.folder_number)
        before = seen.uids
        if entry.kind is ChangeKind.MESSAGE_CHANGED and entry.changed_field_names & _CONTENTS:
            seen.contents, before = entry.change_number, {}
        shown = _shown(seen.placements, roles)
        for folder in {*shown, *seen.uids}:
            self._newest_changes[folder] = entry.change_number
        for folder in shown - before.keys():
            self._newest_uids[folder] = entry.change_number
        seen.uids = {folder: before.get(folder, entry.change_number) for folder in shown}


class SimulatedGmailFolderReader(SimulatedFolderReader):
    """A folder of a Gmail mailbox. Gmail does not offer QRESYNC, so the server never reports
    removed messages by UID (VANISHED)."""

    def __init__(self, view: GmailMailboxView, folder: int) -> None:
        super().__init__(view.mailbox, folder)
        self._view = view

    def list_messages(self) -> list[MessageWithoutContents]:
        return self._view.list_messages(self.folder_number)

    @property
    def is_folder_present(self) -> bool:
        return self.folder_number == _STARRED.number or super().is_folder_present

    @property
    def uid_validity(self) -> int:
        return super().uid_validity or 1

    @property
    def uid_next(self) -> int:
        return self._view.highest_folder_uid_and_mod_seq(self.folder_number)[0] + 1

    @property
    def highest_mod_seq(self) -> int:
        return self._view.highest_folder_uid_and_mod_seq(self.folder_number)[1]

    def uids_vanished_since_mod_seq(self, mod_seq: int) -> Sequence[int]:
        return ()


def format_labels(labels: Iterable[str]) -> bytes:
    """Return the value of X-GM-LABELS: the labels in parentheses. A label of letters and digits is
    an atom; every other label is quoted."""
    return f"({' '.join(map(_quoted, labels))})".encode("ascii", "replace")


def _quoted(label: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9]+", label):
        return label
    return '"{}"'.format(re.sub(r'(["\\])', r"\\\1", label))


def _shown(placements: set[int], roles: Mapping[str, int]) -> set[int]:
    """Return the numbers of the folders that show a message with these placements."""
    if placements & {roles[RETAINED], roles[PURGED]}:
        return set()
    for role in ("trash", "junk"):
        if roles[role] in placements:
            return {roles[role]}
    return set(chain(placements, [roles["archive"]]))
