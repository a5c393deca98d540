"""The position in the change feed of a folder."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import orjson

from mailsync.errors import CursorExpired
from mailsync.model import Cursor


@dataclass(frozen=True, slots=True)
class FolderPosition:
    """How far a folder was read. The values are those of the EXAMINE with which the reading began,
    so whatever changed meanwhile is read again.

    uid_next: UID that every message lacked then and that later ones exceed or have.
    mod_seq: highest mod-sequence; None: the server has none for the folder.
    message_count: messages in the folder, without those that are still to be read.
    below: in a full sync, which reads the newest messages first: the lowest UID that was read.
        None: the full sync has ended.
    flags_compared_at: when the flags of all messages were last read, in seconds since 1970.
    flags_from: the lowest UID whose flags are still to be read. None: none are.
    sample: a hash of the Message-ID of some messages by UID, to notice that the server gave their
        UIDs to others.
    is_renumbered: whether the full sync reads the folder anew since it did.
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
