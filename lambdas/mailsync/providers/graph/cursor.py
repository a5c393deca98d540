"""What a cursor of Microsoft Graph holds, and which of its feeds it belongs to.

    <hash> /me/…          a link of delta, the change feed
    <hash> lean /me/…     a link of delta without bodies, which are fetched message by message
    <hash> list /me/…     a link of a plain list, for mailboxes in which no delta can be kept
    <hash> ids /me/…      a link of a plain list without bodies
    <hash> listed         the end of a list

The hash stands for the properties that were selected: delta reports changes of those it was begun
with, so other ones need a new feed.
"""

import zlib
from dataclasses import dataclass
from enum import Enum

from mailsync.errors import CursorExpired
from mailsync.model import Cursor
from mailsync.providers.graph.messages import ENTRY_SELECTED, LEAN_SELECTED, SELECTED


class Feed(Enum):
    """The feeds of a folder, by the words of a cursor."""

    DELTA = ""
    LEAN_DELTA = "lean "
    LIST = "list "
    LEAN_LIST = "ids "

    @property
    def is_list(self) -> bool:
        return self in (Feed.LIST, Feed.LEAN_LIST)

    @property
    def is_lean(self) -> bool:
        """Its entries only name messages; what they hold is fetched by id."""
        return self in (Feed.LEAN_DELTA, Feed.LEAN_LIST)

    @property
    def selected(self) -> str:
        if self is Feed.LEAN_LIST:
            return ENTRY_SELECTED
        return LEAN_SELECTED if self is Feed.LEAN_DELTA else SELECTED


FALLBACKS = (Feed.DELTA, Feed.LEAN_DELTA, Feed.LEAN_LIST)
"""By how many feeds have failed for a folder."""


def _prefix(feed: Feed) -> str:
    return f"{zlib.crc32(feed.selected.encode()):08x} {feed.value}"


LISTED = Cursor(f"{_prefix(Feed.DELTA)}listed")
"""Nothing goes on from here: the next round is a full sync, which tries delta first."""


@dataclass(frozen=True, slots=True)
class Link:
    """A path below the base URL, and the feed that it is a page of."""

    path: str
    feed: Feed = Feed.DELTA

    @property
    def cursor(self) -> Cursor:
        return Cursor(f"{_prefix(self.feed)}{self.path}")


def link_of(cursor: Cursor) -> Link:
    """Raises CursorExpired when the folder needs a full sync."""
    for feed in Feed:
        if cursor.startswith(f"{_prefix(feed)}/"):
            return Link(cursor.removeprefix(_prefix(feed)), feed)
    if cursor == LISTED:
        raise CursorExpired(
            "The folder was read as a list, which shows no changes; reading it again."
        )
    raise CursorExpired(
        "The folder was read with another selection of properties; reading it again."
    )


def is_delta(cursor: Cursor) -> bool:
    """Whether the cursor is a link of either delta, of this selection of properties."""
    return any(cursor.startswith(f"{_prefix(feed)}/") for feed in (Feed.DELTA, Feed.LEAN_DELTA))
