"""The position in the change feed of a folder."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import orjson

from mailsync.errors import CursorExpired
from mailsync.model import Cursor


@dataclass(frozen=True, slots=True)
class FolderPosition:
    """The position up to which a folder was read. The values are those of the EXAMINE with which
    the reading began, so messages that changed during the reading are read again.

    uid_next: UIDNEXT: all messages had lower UIDs then, and later messages have this UID or higher
        ones.
    mod_seq: HIGHESTMODSEQ. None: the server keeps no mod-sequences for the folder.
    message_count: number of messages in the folder, without the messages still to be read.
    below: in a full sync, which reads the newest messages first: the lowest UID that was read.
        None: the full sync has ended.
    flags_compared_at: when the flags of all messages were last read, in seconds since 1970.
    flags_from: the lowest UID whose flags are still to be read. None: all flags were read.
    sample: a hash of the Message-ID of some messages by UID, to notice that the server gave their
        UIDs to other messages.
    is_renumbered: whether this full sync began because the server gave UIDs to other messages.
    """

    uid_validity: int
    uid_next: int
    mod_seq: int | None
    message_count: int
    below: int | None = None
    flags_compared_at: int = 0
    flags_from: int | None = None
    sample: Mapping[str, str] = field(default_factory=dict)
    is_renumbered: bool = False

    def to_cursor(self) -> Cursor:
        return Cursor(orjson.dumps(asdict(self)).decode())


def parse_cursor(cursor: Cursor) -> FolderPosition:
    """Return the position that a cursor holds.

    Raises:
        CursorExpired: the cursor is not one of this provider's.
    """
    try:
        return FolderPosition(**orjson.loads(cursor))
    except (TypeError, ValueError):
        raise CursorExpired("The stored position of the folder is unreadable.") from None
