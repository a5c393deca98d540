"""What a cursor of Microsoft Graph holds.

    <mark>/me/…         a link of a chain of changes
    <mark>list /me/…    a link of a plain list, for mailboxes in which no chain can be kept
    <mark>listed        the end of such a list

The mark stands for the properties that were selected: a chain reports changes of those it was
begun with, so other ones need a new chain.
"""

import zlib
from dataclasses import dataclass

from mailsync.errors import CursorExpired
from mailsync.model import Cursor
from mailsync.providers.graph_messages import SELECTED

_MARK = f"{zlib.crc32(SELECTED.encode()):08x} "
_LIST = f"{_MARK}list "

LISTED = Cursor(f"{_MARK}listed")
"""Nothing goes on from here: the next round is a new walk, which tries a chain first."""


@dataclass(frozen=True, slots=True)
class Link:
    """A path below the base URL, of a chain or, with `is_list`, of a plain list."""

    path: str
    is_list: bool = False

    @property
    def cursor(self) -> Cursor:
        return Cursor(f"{_LIST if self.is_list else _MARK}{self.path}")


def link_of(cursor: Cursor) -> Link:
    """Raises CursorExpired when the folder must be walked anew."""
    if is_chain(cursor):
        return Link(cursor.removeprefix(_MARK))
    if cursor.startswith(_LIST):
        return Link(cursor.removeprefix(_LIST), is_list=True)
    if cursor == LISTED:
        raise CursorExpired(
            "The folder was listed, as no changes could be had; it is walked again."
        )
    raise CursorExpired(
        "The folder was walked with another selection of properties; it is walked again."
    )


def is_chain(cursor: Cursor) -> bool:
    return cursor.startswith(f"{_MARK}/")
