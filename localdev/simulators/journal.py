"""Record the changes of a simulated mailbox in its journal: one numbered entry for every change."""

from dataclasses import dataclass
from enum import StrEnum
from sqlite3 import Row

from localdev.simulators.database import SimulatorDatabase


class ChangeKind(StrEnum):
    """The kind of change that a journal entry records.

    MESSAGE_ADDED_TO_FOLDER: a message was put into a further folder: a new message, a copy, or a
        further placement.
    MESSAGE_REMOVED_FROM_FOLDER: a message was taken out of a folder; if that was its last folder,
        the message counts as deleted.
    MESSAGE_MOVED: a message was moved to another folder, or again to the folder that it was in.
    MESSAGE_CHANGED: the named fields of a message have new values.
    FOLDER_CREATED_OR_CHANGED: a folder is new, or has another name or parent.
    FOLDER_REMOVED: a folder was removed.
    CURSORS_EXPIRED: cursors of change feeds are invalid if they were issued before this entry.
    """

    MESSAGE_ADDED_TO_FOLDER = "added"
    MESSAGE_REMOVED_FROM_FOLDER = "removed"
    MESSAGE_MOVED = "moved"
    MESSAGE_CHANGED = "changed"
    FOLDER_CREATED_OR_CHANGED = "folder changed"
    FOLDER_REMOVED = "folder removed"
    CURSORS_EXPIRED = "cursors expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One change of a simulated mailbox.

    change_number: the change number, which grows with every change of the mailbox.
    message_number: number of the message that changed. None: no message changed.
    folder_number: number of a folder, by `kind`. Message added or moved: the folder that the
        message came into. Message removed: None. Message changed: its folder, or None if the
        message is in several folders or in none. Folder changed or removed: that folder. Cursors
        expired: the folder whose cursors expired, or None if those of all folders expired.
    source_folder_number: number of the folder that a message left. None: the message left no
        folder.
    placement_change_number, source_placement_change_number: numbers of the message's placements in
        `folder_number` and in `source_folder_number`.
    changed_field_names: names of the message's changed fields of `MailItem`, or of its changed
        attributes (`Message.provider_specific_attributes`).
    """

    change_number: int
    kind: ChangeKind
    message_number: int | None
    folder_number: int | None
    placement_change_number: int | None
    source_folder_number: int | None
    source_placement_change_number: int | None
    changed_field_names: frozenset[str]


_COLUMNS = """number AS change_number, kind, message AS message_number, folder AS folder_number,
    placement AS placement_change_number, source AS source_folder_number,
    source_placement AS source_placement_change_number, fields"""


class MailboxChangeJournal:
    """The journal of changes of one simulated mailbox. The caller writes the entry of a change in
    the same transaction as the change."""

    def __init__(self, database: SimulatorDatabase, mailbox_id: str) -> None:
        self._database = database
        self._mailbox_id = mailbox_id

    @property
    def newest_global_change_number(self) -> int:
        """Return the newest change number in the data folder, 0 if there is none. All mailboxes of
        the data folder share one series of numbers."""
        row = self._database.fetch_row("SELECT coalesce(max(number), 0) AS number FROM change")
        return int(row["number"]) if row else 0

    def set_minimum_next_change_number(self, until: int) -> None:
        """Leave a gap in the change numbers, so that the next change has at least the number
        `until`.

        The UIDs of the IMAP simulator are change numbers. With a gap they can be as high as the
        UIDs of some real servers, which begin near 743,000,000.
        """
        self._database.execute_write(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'change'", until - 1
        )

    def write_entry(
        self,
        kind: ChangeKind,
        message: int | None = None,
        *,
        folder: int | None = None,
        placement: int | None = None,
        source: int | None = None,
        source_placement: int | None = None,
        fields: frozenset[str] = frozenset(),
    ) -> int:
        """Write an entry for a change; return its change number. The parameters are the fields of
        JournalEntry.

        placement: placement number of a changed message in `folder`. A message that comes into a
            folder gets the number of this entry as its placement number.
        """
        with self._database.transaction():
            self._database.execute_write(
                "INSERT INTO change (mailbox_id, kind, message, folder, placement, source,"
                " source_placement, fields) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                *(self._mailbox_id, kind, message, folder, placement, source, source_placement),
                ",".join(sorted(fields)),
            )
            number = self._database.last_inserted_row_id()
            if kind in (ChangeKind.MESSAGE_ADDED_TO_FOLDER, ChangeKind.MESSAGE_MOVED):
                self._database.execute_write(
                    "UPDATE change SET placement = number WHERE number = ?", number
                )
        return number

    def list_entries_after_change_number(
        self, since: int, until: int | None = None, *, folder: int | None = None
    ) -> list[JournalEntry]:
        """Return the entries with numbers above `since`, up to and including `until`, oldest first.
        None as `until`: no upper limit.

        folder: return only changes of messages that came into, were in, or left this folder. None:
            all changes of the mailbox.
        """
        where, values = "mailbox_id = ?", [self._mailbox_id]
        if folder is not None:
            where += f" AND message IS NOT NULL AND (folder = {folder} OR source = {folder})"
        rows = self._database.fetch_rows(
            f"SELECT {_COLUMNS} FROM change WHERE {where} AND number > ?"
            " AND (? IS NULL OR number <= ?) ORDER BY number",
            *(*values, since, until, until),
        )
        return [_entry(row) for row in rows]

    def has_position_expired(self, issued: int, folder: int | None) -> bool:
        """Return whether a position in a change feed has become invalid: an entry CURSORS_EXPIRED
        with a number above `issued` concerns the feed's folder or all folders.

        issued: newest change number when the position was issued.
        folder: the folder of the feed. None: the feed of the whole mailbox.
        """
        return (
            self._database.fetch_row(
                "SELECT 1 FROM change WHERE mailbox_id = ? AND kind = ? AND number > ?"
                " AND (folder IS NULL OR folder IS ?)",
                *(self._mailbox_id, ChangeKind.CURSORS_EXPIRED, issued, folder),
            )
            is not None
        )


def _entry(row: Row) -> JournalEntry:
    columns = dict(row)
    fields = frozenset(filter(None, columns.pop("fields").split(",")))
    kind = ChangeKind(columns.pop("kind"))
    return JournalEntry(**columns, kind=kind, changed_field_names=fields)
