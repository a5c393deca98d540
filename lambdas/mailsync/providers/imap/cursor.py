"""The position in the change feed of a folder."""

from dataclasses import asdict, dataclass

import orjson

from mailsync.errors import CursorExpired
from mailsync.model import Cursor


@dataclass(frozen=True, slots=True)
class FolderPosition:
    """How far a folder was read. The values are those of the EXAMINE with which the reading began,
    so whatever changed meanwhile is read again.

    uid_next: UID that every message lacked then and that later ones exceed or have.
    mod_seq: highest mod-sequence; None: the server has none for the folder.
    message_count: messages in the folder.
    below: in a full sync, which reads the newest messages first: the lowest UID that was read.
        None: the full sync has ended.
    """

    uid_validity: int
    uid_next: int
    mod_seq: int | None
    message_count: int
    below: int | None = None

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
