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

    uid_validity: UIDVALIDITY of the folder.
    uid_next: UIDNEXT of the folder when the reading began: messages that arrive later get this UID
        or a higher one. If new messages are still to be read, the lowest UID of those.
    mod_seq: HIGHESTMODSEQ of the folder. None: the server keeps no mod-sequences for the folder.
    message_count: number of messages in the folder, without new messages still to be read. A full
        sync also counts the messages that it has not read yet.
    below: the lowest UID that the running full sync has read; messages below this UID are read
        next, because a full sync reads the newest messages first. None: no full sync is running.
    flags_compared_at: when the last comparison of the flags of all messages began, in seconds since
        1970.
    flags_from: the lowest UID whose flags the running comparison of flags must still read. None: no
        comparison of flags is running.
    sample: for a few UIDs, a hash of the message's Message-ID. A changed hash shows that the server
        gave a UID to another message.
    is_renumbered: whether the running full sync began because the server gave UIDs to other
        messages.
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
    """Return the position that a cursor contains.

    Raises:
        CursorExpired: the cursor was not made from a `FolderPosition`.
    """
    try:
        return FolderPosition(**orjson.loads(cursor))
    except (TypeError, ValueError):
        raise CursorExpired("The stored position of the folder is unreadable.") from None
