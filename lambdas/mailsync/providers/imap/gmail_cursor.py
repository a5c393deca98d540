"""Parse and build the cursor of a Gmail mailbox over IMAP, and choose what to read next. Pure
functions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import orjson

from mailsync.errors import CursorExpired
from mailsync.model import Cursor, RemoteId
from mailsync.providers.imap.open_folder import OpenFolder


@dataclass(frozen=True, slots=True)
class GmailFolderPosition:
    """The position up to which one of the folders All Mail, Trash and Junk was read; together they
    hold every message of a Gmail mailbox. The values are those of the EXAMINE with which the
    reading began.

    uid_validity: UIDVALIDITY of the folder.
    uid_next: UIDNEXT of the folder, a UID higher than that of every message in the folder. If new
        messages are still to be read, the lowest UID of those.
    mod_seq: HIGHESTMODSEQ of the folder when its changes were last read.
    changes_from: mod-sequence after which the next reading requests changes. It is the `mod_seq` of
        the position before this one, because the server may show a change a little later than its
        mod-sequence (nylas/sync-engine, `inbox/crispin.py`).
    message_count: number of messages in the folder, without new messages still to be read. A full
        sync also counts the messages that it has not read yet.
    """

    uid_validity: int
    uid_next: int
    mod_seq: int
    changes_from: int
    message_count: int


@dataclass(frozen=True, slots=True)
class GmailMailboxPosition:
    """The position up to which a Gmail mailbox was read over IMAP.

    sources: position of each of the folders All Mail, Trash and Junk, by folder id.
    reading: id of the folder that the running full sync reads now. None: no full sync is running.
    below: the lowest UID that the full sync has read in the folder `reading`; messages below this
        UID are read next, because a full sync reads the newest messages first.
    reported: digest of the flags and folders of each message on the last page, by message id. The
        next reading requests changes from an earlier mod-sequence (`changes_from`), so the server
        names these messages again; an equal digest shows that nothing changed.
    """

    sources: Mapping[str, GmailFolderPosition]
    reading: str | None = None
    below: int = 0
    reported: Mapping[RemoteId, str] = field(default_factory=dict)

    def to_cursor(self) -> Cursor:
        return Cursor(orjson.dumps(asdict(self)).decode())


def parse_mailbox_cursor(cursor: Cursor) -> GmailMailboxPosition:
    """Return the position that a cursor holds.

    Raises:
        CursorExpired: the cursor was not made from a `GmailMailboxPosition`.
    """
    try:
        fields = orjson.loads(cursor)
        sources = {
            name: GmailFolderPosition(**each) for name, each in fields.pop("sources").items()
        }
        return GmailMailboxPosition(sources, **fields)
    except (TypeError, ValueError, KeyError, AttributeError):
        raise CursorExpired("The stored position of the mailbox is unreadable.") from None


def build_position_at_full_sync_start(opened: OpenFolder) -> GmailFolderPosition:
    """Return the position with which a full sync of a folder starts."""
    mod_seq = opened.mod_seq or 0
    return GmailFolderPosition(
        opened.uid_validity, opened.uid_next, mod_seq, mod_seq, opened.message_count
    )


def build_position_of_new_folder(opened: OpenFolder) -> GmailFolderPosition:
    """Return the reading position of a folder before its first message is read. It is used for a
    folder that the server lists now and did not list at the last reading."""
    return GmailFolderPosition(opened.uid_validity, 1, opened.mod_seq or 0, opened.mod_seq or 0, 0)


def raise_if_uid_numbering_changed(known: GmailFolderPosition, opened: OpenFolder) -> None:
    """Check that the server still numbers the messages of a folder as it did at the stored
    position, so that it can name the changes since then.

    Raises:
        CursorExpired: UIDVALIDITY is another one, or UIDNEXT or the mod-sequence has gone back. The
            caller then starts a full sync. The full sync lists all messages, and fetches no message
            that is stored already.
    """
    if opened.uid_validity != known.uid_validity:
        raise CursorExpired("The server has numbered the messages of a folder anew.")
    if opened.uid_next < known.uid_next or (opened.mod_seq or 0) < known.mod_seq:
        raise CursorExpired("The numbers of a folder have gone back.")


def is_gmail_folder_unchanged(known: GmailFolderPosition, status: Mapping[str, int]) -> bool:
    """Return whether a folder is unchanged since it was last read, according to its STATUS values.
    Return False if the server leaves out a value, or if the last changes must be requested once
    more (`GmailFolderPosition.changes_from`)."""
    numbers = {
        "UIDVALIDITY": known.uid_validity,
        "UIDNEXT": known.uid_next,
        "MESSAGES": known.message_count,
        "HIGHESTMODSEQ": known.mod_seq,
    }
    is_as_read = all(status.get(name) == number for name, number in numbers.items())
    return is_as_read and known.changes_from == known.mod_seq


def has_removals_not_explained_by_moves(
    lacking: Mapping[str, int], arrived: Mapping[str, int]
) -> bool:
    """Return whether a message left a folder and did not arrive in another of the folders All Mail,
    Trash and Junk.

    A message that moves to the trash leaves All Mail and arrives in Trash, with all its labels.
    Only numbers are compared, so a removal and an unrelated arrival in another folder can look like
    a move. The counts of the folders then differ at the verification, which compares the ids.

    lacking: number of messages that left each folder, by folder.
    arrived: number of messages that arrived in each folder, by folder.
    """
    total = sum(arrived.values())
    return any(gone > total - arrived.get(name, 0) for name, gone in lacking.items() if gone > 0)
