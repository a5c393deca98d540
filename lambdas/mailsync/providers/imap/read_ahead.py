"""Read what a full sync of a folder will need next, while the caller stores what it has read.

A full sync reads the list of a page, and then the messages of the page that are not stored. Once it
has requested all messages of a page, it will probably request those of the next page as well. Then
the list of the next page is requested behind the messages, and the next messages as soon as their
sizes are known; a thread receives and parses them while the caller stores the page. So the sync
waits for no round trip between pages, and the database and the parser work at the same time. A
guess that is wrong costs the server a page; the sync is the same.

A failure of what was read ahead is in the result, and has its effect where the sync reads it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from mailsync.providers.imap.background import BackgroundRead
from mailsync.providers.imap.bodies import MAX_BATCH_BYTES, size_of
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.messages import LISTED_ITEMS, WHOLE_ITEMS
from mailsync.providers.imap.receiving import FAILURES, PlaceOf, Received, receive_messages
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

    def next(self) -> "Window":
        return Window(self.uids, max(0, self.start - self.limit), self.start, self.limit)


@dataclass(frozen=True, slots=True)
class _Step:
    """What was read of one page. listed: the listed items of what follows it, as far as they came.
    following: the next page, if its messages were requested."""

    received: Received
    listed: dict[int, FetchedItems] = field(default_factory=dict)
    following: Window | None = None


class ReadAhead:
    """The reading ahead in one folder that is open on one connection.

    place_of: returns the place of a message of the folder.
    """

    def __init__(self, connection: ImapConnection, place_of: PlaceOf) -> None:
        self._connection = connection
        self._place_of = place_of
        self._window = Window()
        self._sizes: Mapping[int, int] = {}
        self._listed: dict[int, FetchedItems] = {}
        self._reading: tuple[Sequence[int], BackgroundRead[_Step]] | None = None

    def take_list(self, uids: Sequence[int]) -> dict[int, FetchedItems] | None:
        """Return the listed items of these messages if they were read ahead, else None."""
        listed, self._listed = self._listed, {}
        return listed if listed.keys() == set(uids) else None

    def begin_page(self, window: Window, sizes: Mapping[int, int]) -> None:
        """Note the page whose messages may be requested now, and their sizes in bytes."""
        self._window, self._sizes = window, sizes

    @contextmanager
    def around_messages(self, uids: Sequence[int]) -> Iterator[Received | None]:
        """Yield what the server has sent of these messages; None: they are still to be requested.
        The block requests what is lacking. After it, the thread begins with the next page."""
        window, self._window = self._window, Window()
        step = self._taken(uids)
        is_whole_page = set(window.page) == set(uids) == self._sizes.keys()
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
            self._reading = (following.page, reading)

    def _taken(self, uids: Sequence[int]) -> _Step | None:
        """Return what the thread has read, if it has read these messages."""
        reading, self._reading = self._reading, None
        if reading is None or set(reading[0]) != set(uids):
            return None
        return reading[1].result()

    def _read(self, window: Window) -> _Step:
        """Read the messages of a page and the list of the next one, and request the messages of
        that."""
        connection, following = self._connection, window.next()
        with suppress(*FAILURES):  # it is a failure of the requests below as well, if it persists
            connection.send_ahead(window.page, WHOLE_ITEMS)
            if following.page:
                connection.send_ahead(following.page, LISTED_ITEMS)
        received = receive_messages(connection, window.page, self._place_of)
        if received.failure or not following.page:
            return _Step(received)
        with suppress(*FAILURES):
            listed = connection.fetch(following.page, LISTED_ITEMS)
            sizes = {uid: size_of(each) for uid, each in listed.items()}
            following = following.cut(sizes)
            if not set(following.page) <= sizes.keys() or not _is_one_batch(following, sizes):
                return _Step(received, listed)
            connection.send_ahead(following.page, WHOLE_ITEMS)
            return _Step(received, listed, following)
        return _Step(received)


def _is_one_batch(window: Window, sizes: Mapping[int, int]) -> bool:
    """Return whether the page is no single large message. So the texts of at most this many bytes
    are in memory beside the page that the caller stores."""
    return sum(sizes.get(uid, 0) for uid in window.page) <= MAX_BATCH_BYTES
