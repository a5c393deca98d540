"""Parse and build cursors of Microsoft Graph, for each kind of feed.

A cursor is a hash, the kind of the feed, and the path of the next page:

    <hash> /me/…          delta, the change feed
    <hash> lean /me/…     delta without bodies; each message is fetched by id
    <hash> list /me/…     a plain list, for mailboxes that cannot keep a delta feed
    <hash> ids /me/…      a plain list without bodies
    <hash> listed         the end of a plain list

The hash identifies the selected properties. A delta feed reports only changes of the properties
that it was started with, so another selection needs a new feed.
"""

import zlib
from dataclasses import dataclass
from enum import Enum

from mailsync.errors import CursorExpired
from mailsync.model import Cursor
from mailsync.providers.graph.messages import (
    LISTED_MESSAGE_PROPERTIES,
    MESSAGE_PROPERTIES,
    MESSAGE_PROPERTIES_WITHOUT_BODY,
)

DEFAULT_PAGE_SIZE = 100
"""The usual number of complete messages of a page."""
PAGE_SIZE_MULTIPLIER_WITHOUT_BODIES = 10
"""The number of entries without bodies that are requested instead of one complete message. A page
then has 1,000 entries, as in other programs (alcionai/corso, `mail_pager.go`)."""


class GraphFeedKind(Enum):
    """The kinds of feeds through which Mailsync reads a folder. The value of a member is the word
    that a cursor contains for this kind."""

    DELTA = ""
    DELTA_WITHOUT_BODIES = "lean "
    LIST = "list "
    LIST_WITHOUT_BODIES = "ids "

    @property
    def is_list(self) -> bool:
        """Return whether the feed is a plain list, which reports no changes."""
        return self in (GraphFeedKind.LIST, GraphFeedKind.LIST_WITHOUT_BODIES)

    @property
    def lacks_bodies(self) -> bool:
        """Return whether the feed has no bodies, so that each message is fetched by id."""
        return self in (GraphFeedKind.DELTA_WITHOUT_BODIES, GraphFeedKind.LIST_WITHOUT_BODIES)

    def choose_page_size(self, limit: int) -> int:
        """Return the number of entries to request per page of a feed of this kind.

        Entries without bodies are small, so the result for a feed without bodies is ten times
        `limit`. A `limit` below 100 is returned unchanged: the caller lowers `limit` after a page
        has failed.

        limit: number of entries of a page of complete messages.
        """
        is_usual = limit >= DEFAULT_PAGE_SIZE and self.lacks_bodies
        return limit * PAGE_SIZE_MULTIPLIER_WITHOUT_BODIES if is_usual else limit

    @property
    def selected_properties(self) -> str:
        """Return the value of `$select` in requests to a feed of this kind."""
        if self is GraphFeedKind.LIST_WITHOUT_BODIES:
            return LISTED_MESSAGE_PROPERTIES
        return (
            MESSAGE_PROPERTIES_WITHOUT_BODY
            if self is GraphFeedKind.DELTA_WITHOUT_BODIES
            else MESSAGE_PROPERTIES
        )


FEED_KINDS_IN_FALLBACK_ORDER = (
    GraphFeedKind.DELTA,
    GraphFeedKind.DELTA_WITHOUT_BODIES,
    GraphFeedKind.LIST_WITHOUT_BODIES,
)
"""The kinds of feeds in the order in which they are tried. The index of a kind is the number of
kinds that have failed for the folder before."""


def _prefix(feed: GraphFeedKind) -> str:
    return f"{zlib.crc32(feed.selected_properties.encode()):08x} {feed.value}"


CURSOR_AFTER_LAST_LIST_PAGE = Cursor(f"{_prefix(GraphFeedKind.DELTA)}listed")
"""The cursor after the last page of a plain list. The next round is a full sync, and it tries a
delta feed first."""


@dataclass(frozen=True, slots=True)
class FeedPageLink:
    """A link to one page of a feed.

    path: path of the page, relative to the base URL of Graph.
    feed_kind: kind of the feed.
    """

    path: str
    feed_kind: GraphFeedKind = GraphFeedKind.DELTA

    @property
    def cursor_to_store(self) -> Cursor:
        """Return the cursor to store for this link, which `parse_cursor` parses."""
        return Cursor(f"{_prefix(self.feed_kind)}{self.path}")


def parse_cursor(cursor: Cursor) -> FeedPageLink:
    """Return the link that a cursor contains.

    Raises:
        CursorExpired: the cursor belongs to another selection of properties, or is the end of a
            list; the folder needs a full sync.
    """
    for feed in GraphFeedKind:
        if cursor.startswith(f"{_prefix(feed)}/"):
            return FeedPageLink(cursor.removeprefix(_prefix(feed)), feed)
    if cursor == CURSOR_AFTER_LAST_LIST_PAGE:
        raise CursorExpired(
            "The folder was read as a list, which shows no changes; reading it again."
        )
    raise CursorExpired(
        "The folder was read with another selection of properties; reading it again."
    )


def is_usable_delta_cursor(cursor: Cursor) -> bool:
    """Return whether the cursor is a delta link with the current selection of properties."""
    return any(
        cursor.startswith(f"{_prefix(feed)}/")
        for feed in (GraphFeedKind.DELTA, GraphFeedKind.DELTA_WITHOUT_BODIES)
    )
