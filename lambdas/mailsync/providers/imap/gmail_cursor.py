"""Parse and build the cursor of a Gmail mailbox over IMAP, and choose what to read next. Pure
functions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import orjson

from mailsync.errors import CursorExpired
from mailsync.model import Cursor, RemoteId
from mailsync.providers.imap.open_folder import OpenFolder


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """The position up to which one folder was read. Several such folders together hold all mail.
    The values are those of the EXAMINE with which the reading began.

    uid_next: UID that every message lacked then.
    mod_seq: highest mod-sequence.
    changes_from: mod-sequence after which the next reading asks for changes: that of the reading
        before. The server may show a change a little later than its mod-sequence
        (nylas/sync-engine, `inbox/crispin.py`).
    message_count: messages in the folder, without those that are still to be read.
    """

    uid_validity: int
    uid_next: int
    mod_seq: int
    changes_from: int
    message_count: int


@dataclass(frozen=True, slots=True)
class MailboxPosition:
    """How far a mailbox was read.

    sources: by the id of the folder.
    reading, below: in a full sync, which reads the newest messages of each folder first: the
        folder, and the lowest UID that was read in it. None: the full sync has ended.
    reported: a digest of each message that the last page reported, by id. `changes_from` lets the
        server name them again.
    """

    sources: Mapping[str, SourcePosition]
    reading: str | None = None
    below: int = 0
    reported: Mapping[RemoteId, str] = field(default_factory=dict)

    def to_cursor(self) -> Cursor:
        return Cursor(orjson.dumps(asdict(self)).decode())


def parse_mailbox_cursor(cursor: Cursor) -> MailboxPosition:
    """Return the position that a cursor holds.

    Raises:
        CursorExpired: the cursor is not one of a mailbox with labels.
    """
    try:
        fields = orjson.loads(cursor)
        sources = {name: SourcePosition(**each) for name, each in fields.pop("sources").items()}
        return MailboxPosition(sources, **fields)
    except (TypeError, ValueError, KeyError, AttributeError):
        raise CursorExpired("The stored position of the mailbox is unreadable.") from None


def start_position(opened: OpenFolder) -> SourcePosition:
    """Return the position of a folder that a full sync reads from now on."""
    mod_seq = opened.mod_seq or 0
    return SourcePosition(
        opened.uid_validity, opened.uid_next, mod_seq, mod_seq, opened.message_count
    )


def position_before_all(opened: OpenFolder) -> SourcePosition:
    """Return the position of a folder of which nothing was read: the server did not show it."""
    return SourcePosition(opened.uid_validity, 1, opened.mod_seq or 0, opened.mod_seq or 0, 0)


def require_same_numbering(known: SourcePosition, opened: OpenFolder) -> None:
    """Check that the server can name what happened in the folder since this position.

    Raises:
        CursorExpired: the messages are numbered anew, or a number has gone back. All messages are
            listed again then, and none is fetched.
    """
    if opened.uid_validity != known.uid_validity:
        raise CursorExpired("The server has numbered the messages of a folder anew.")
    if opened.uid_next < known.uid_next or (opened.mod_seq or 0) < known.mod_seq:
        raise CursorExpired("The numbers of a folder have gone back.")


def is_source_unchanged(known: SourcePosition, status: Mapping[str, int]) -> bool:
    """Return whether the folder is as it was read, according to its status. A number that the
    server leaves out is never an unchanged one."""
    numbers = {
        "UIDVALIDITY": known.uid_validity,
        "UIDNEXT": known.uid_next,
        "MESSAGES": known.message_count,
        "HIGHESTMODSEQ": known.mod_seq,
    }
    is_as_read = all(status.get(name) == number for name, number in numbers.items())
    return is_as_read and known.changes_from == known.mod_seq


def has_unexplained_removals(lacking: Mapping[str, int], arrived: Mapping[str, int]) -> bool:
    """Return whether messages left the folders that did not arrive in another one of them.

    A message that moves to the trash leaves All Mail and arrives in the trash, with all its
    folders. If a removal and an arrival elsewhere only happen to coincide, the counts of the
    folders differ at the verification, which compares the ids.

    lacking, arrived: by folder, the messages that are gone and those that are new.
    """
    total = sum(arrived.values())
    return any(gone > total - arrived.get(name, 0) for name, gone in lacking.items() if gone > 0)
