"""Read what a full sync of a folder will need next, while the caller stores what it has read.

A full sync reads the list of a page, and then the messages of the page that are not stored. Once it
has requested all messages of a page, it will probably request those of the next pages as well. Then
the list of the next page is requested before the messages, and the messages of the next page and
the list after it as soon as their sizes are known: before those of this page arrive. A thread
receives and parses them while the caller stores the page. So the sync waits for no round trip
between pages, and the database and the parser work at the same time. A guess that is wrong costs
the server two pages; the sync is the same.

A failure during reading ahead is stored in the result. The sync raises it when it reaches the page.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from mailsync.providers.imap.bodies import MAX_BATCH_BYTES, size_of
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.messages import LISTED_ITEMS, WHOLE_ITEMS
from mailsync.providers.imap.receiving import FAILURES, PlaceOfUid, Received, receive_messages
from mailsync.providers.imap.responses import FetchedItems


@dataclass(frozen=True, slots=True)
class Window:
    """A page of a folder: `uids[start:end]`. The pages go from the newest message to the oldest.

    uids: all UIDs of the folder, in ascending order.
    limit: number of messages in the pages after this one.
    """

    uids: Sequence[int] = ()
    start: int = 0
    end: int = 0
    limit: int = 1

    @property
    def page(self) -> Sequence[int]:
        return self.uids[self.start : self.end]

    def cut(self, sizes: Mapping[int, int]) -> "Window":
        """Return the newest messages of the page, as many as fit into one request, at least one.

        sizes: of the messages, in bytes.
        """
        start, total = self.end, 0
        while start > self.start:
            total += sizes.get(self.uids[start - 1], 0)
            if total > MAX_BATCH_BYTES and start < self.end:
                break
            start -= 1
        return replace(self, start=start)

    def following_page(self) -> "Window":
        return Window(self.uids, max(0, self.start - self.limit), self.start, self.limit)


@dataclass(frozen=True, slots=True)
class _Step:
    """The response for one page. listed: the received list items of the page after it.
    following: the next page, if its messages were requested."""

    received: Received
    listed: dict[int, FetchedItems] = field(default_factory=dict)
    following: Window | None = None


class ReadAhead:
    """Requests the lists and messages of the next pages of an open folder before the sync does.

    place_of: returns the folder, UIDVALIDITY and UID of a message by its UID.
    is_at_end: whether the messages requested last were the last page of the folder.
    """

    def __init__(self, connection: ImapConnection, place_of: PlaceOfUid) -> None:
        self._connection = connection
        self._place_of = place_of
        self._window = Window()
        self._sizes: Mapping[int, int] = {}
        self._listed: dict[int, FetchedItems] = {}
        self._reading: tuple[Sequence[int], Callable[[], _Step]] | None = None
        self.is_at_end = False

    def take_list(self, uids: Sequence[int]) -> dict[int, FetchedItems] | None:
        """Return the listed items of these messages if they were read ahead, else None."""
        listed, self._listed = self._listed, {}
        return listed if listed.keys() == set(uids) else None

    def begin_page(self, window: Window, sizes: Mapping[int, int]) -> None:
        """Note the page whose messages may be requested now, and their sizes in bytes."""
        self._window, self._sizes = window, sizes

    def read_first_page(self, window: Window) -> None:
        """Read the list and the messages of the first page of a folder before the sync does."""
        self._listed, first = self._read_list(window)
        if first:
            step = self._read(first)
            self._reading = (first.page, lambda: step)

    @contextmanager
    def around_messages(self, uids: Sequence[int]) -> Iterator[Received | None]:
        """Yield the messages that the server has sent ahead. None: they were not requested yet.
        The `with` block requests the missing messages; after the block, the thread begins with the
        next page."""
        window, self._window = self._window, Window()
        step = self._taken(uids)
        is_whole_page = set(window.page) == set(uids) == self._sizes.keys()
        self.is_at_end = is_whole_page and not window.start
        if step is None and is_whole_page and window.start and _is_one_batch(window, self._sizes):
            step = self._read(window)
        if step is None:
            yield None
            return
        self._listed = step.listed
        yield step.received
        following = step.following
        if following and self._connection.can_read_in_background:
            reading = self._connection.read_in_background(lambda: self._read(following))
            self._reading = (following.page, reading.result)

    def _taken(self, uids: Sequence[int]) -> _Step | None:
        """Return the response that was read ahead if it contains exactly these messages."""
        reading, self._reading = self._reading, None
        if reading is None or set(reading[0]) != set(uids):
            return None
        return reading[1]()

    def _read(self, window: Window) -> _Step:
        """Read the list of the next page, request the messages of that, and read the messages of
        this page."""
        connection, following = self._connection, window.following_page()
        with suppress(*FAILURES):  # it is a failure of the requests below as well, if it persists
            if following.page:
                connection.send_ahead(following.page, LISTED_ITEMS)
            connection.send_ahead(window.page, WHOLE_ITEMS)
        listed, following_page = self._read_list(following)
        received = receive_messages(connection, window.page, self._place_of)
        if received.failure:
            return _Step(received)
        return _Step(received, listed, following_page)

    def _read_list(self, window: Window) -> tuple[dict[int, FetchedItems], Window | None]:
        """Read the list of a page, as far as it comes. Return it with the part of the page whose
        messages were requested then, with the list after it; None: no messages were requested.

        Where several mailboxes share the memory, the messages of one page are on the way at a time.
        """
        connection = self._connection
        with suppress(*FAILURES):
            listed = connection.fetch(window.page, LISTED_ITEMS) if window.page else {}
            sizes = {uid: size_of(each) for uid, each in listed.items()}
            window = window.cut(sizes)
            if not window.page or not set(window.page) <= sizes.keys():
                return listed, None
            if not connection.can_read_in_background or not _is_one_batch(window, sizes):
                return listed, None
            if after := window.following_page().page:
                connection.send_ahead(after, LISTED_ITEMS)
            connection.send_ahead(window.page, WHOLE_ITEMS)
            return listed, window
        return {}, None


def _is_one_batch(window: Window, sizes: Mapping[int, int]) -> bool:
    """Return whether the page is no single large message. So the texts of at most this many bytes
    are in memory beside the page that the caller stores."""
    return sum(sizes.get(uid, 0) for uid in window.page) <= MAX_BATCH_BYTES
