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
from mailsync.providers.imap.bodies import MAX_BATCH_BYTES, size_of
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.messages import LISTED_ITEMS, WHOLE_ITEMS
from mailsync.providers.imap.responses import FetchedItems

_FAILURES = (ProviderRejected, ProviderThrottled, ProviderUnavailable)


class ReadAhead:
    """The reading ahead in one folder that is open on one connection."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection
        self._page: Mapping[int, int] = {}
        self._next_page: Sequence[int] = ()
        self._listed: dict[int, FetchedItems] = {}
        self._requested: frozenset[int] = frozenset()

    def take_list(self, uids: Sequence[int]) -> dict[int, FetchedItems] | None:
        """Return the listed items of these messages if they were read ahead, else None."""
        listed, self._listed = self._listed, {}
        return listed if listed.keys() == set(uids) else None

    def begin_page(self, sizes: Mapping[int, int], next_page: Sequence[int]) -> None:
        """Note the page whose messages may be requested now, and the UIDs of the page after it.

        sizes: of the messages of the page, in bytes.
        """
        self._page, self._next_page = sizes, next_page

    @contextmanager
    def around_messages(self, uids: Sequence[int]) -> Iterator[None]:
        """Request what follows these messages, before and after the block, which reads them."""
        if not self._next_page or self._page.keys() != set(uids) or not _is_one_batch(self._page):
            yield
            return
        next_page, self._next_page = self._next_page, ()
        # A failure here is one of the requests in the block or of the next page, if it persists.
        with suppress(*_FAILURES):
            if self._requested != self._page.keys():
                self._connection.send_ahead(uids, WHOLE_ITEMS)
            self._connection.send_ahead(next_page, LISTED_ITEMS)
        yield
        with suppress(*_FAILURES):
            self._listed = self._connection.fetch(next_page, LISTED_ITEMS)
            sizes = {uid: size_of(each) for uid, each in self._listed.items()}
            if sizes.keys() == set(next_page) and _is_one_batch(sizes):
                self._connection.send_ahead(next_page, WHOLE_ITEMS)
                self._requested = frozenset(next_page)


def _is_one_batch(sizes: Mapping[int, int]) -> bool:
    """Return whether the messages are fetched with one command. What was requested ahead waits in
    the buffers of the sockets; it takes memory only if another command comes first, and drops it.
    """
    return sum(sizes.values()) <= MAX_BATCH_BYTES
