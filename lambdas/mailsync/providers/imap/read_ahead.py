"""Request what a full sync of a folder will read next, while the caller stores what it has read.

A full sync reads the list of a page, and then the messages of the page that are not stored. Once it
has requested all messages of a page, it will probably request those of the next page as well: the
list of the next page is requested behind the messages, and the next messages as soon as their sizes
are known. So the sync waits for no round trip between pages. A guess that is wrong costs the server
a page; the sync is the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from mailsync.errors import ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.messages import LISTED_ITEMS, WHOLE_ITEMS
from mailsync.providers.imap.responses import FetchedItems

MAX_AHEAD_BYTES = 8 * 2**20
"""The size of the messages that are requested ahead. They wait in the buffers of the sockets, and
take memory only if another command comes first, which drops them."""


class ReadAhead:
    """The reading ahead in one folder that is open on one connection."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection
        self._page: Mapping[int, FetchedItems] = {}
        self._next_page: Sequence[int] = ()
        self._listed: Mapping[int, FetchedItems] = {}
        self._requested: frozenset[int] = frozenset()

    def take_list(self, uids: Sequence[int]) -> Mapping[int, FetchedItems] | None:
        """Return the listed items of these messages if they were read ahead, else None."""
        listed, self._listed = self._listed, {}
        return listed if uids and listed.keys() == set(uids) else None

    def begin_page(self, page: Mapping[int, FetchedItems], next_page: Sequence[int]) -> None:
        """Note the page whose messages may be requested now, and the UIDs of the page after it."""
        self._page, self._next_page = page, next_page

    @contextmanager
    def around_messages(self, uids: Sequence[int]) -> Iterator[None]:
        """Request what follows these messages before and after the block, which reads them."""
        if not self._next_page or self._page.keys() != set(uids) or not _is_small(self._page):
            yield
            return
        next_page, self._next_page = self._next_page, ()
        connection = self._connection
        if self._requested != self._page.keys():
            connection.send_ahead(uids, WHOLE_ITEMS)
        connection.send_ahead(next_page, LISTED_ITEMS)
        yield
        # The messages are read: a failure now is that of the next request, if it persists.
        with suppress(ProviderRejected, ProviderThrottled, ProviderUnavailable):
            self._listed = connection.fetch(next_page, LISTED_ITEMS)
            if self._listed.keys() == set(next_page) and _is_small(self._listed):
                connection.send_ahead(next_page, WHOLE_ITEMS)
                self._requested = frozenset(next_page)


def _is_small(page: Mapping[int, FetchedItems]) -> bool:
    """Return whether the messages of the page are requested with one command. The sizes are those
    that the server names."""
    sizes = [size for each in page.values() if isinstance(size := each.get(b"RFC822.SIZE"), int)]
    return len(sizes) == len(page) and sum(sizes) <= MAX_AHEAD_BYTES
