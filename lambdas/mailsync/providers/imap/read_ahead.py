"""Read what a full sync of a folder will need next, while the caller stores what it has read.

A full sync reads a folder page by page. For each page it reads a list with the size of each
message, and then fetches the messages that are not stored yet. Once the sync has requested every
message of a page, it will probably request every message of the next pages as well. `ReadAhead`
then sends these requests before the sync asks for them:

1. the list of the next page, before the messages of the present page;
2. the messages of the next page, as soon as the list of the next page has named their sizes. The
   messages of the present page need not have arrived by then;
3. the list of the page after the next one, together with these messages.

A thread receives and parses the messages while the caller stores the present page. So the sync
waits for no round trip between pages, and the database and the parser work at the same time. If the
sync requests something else, the server has sent two pages in vain; the result of the sync is the
same.

If reading ahead fails, the failure is kept in the result. The sync raises it when it reaches the
page.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from mailsync.providers.imap.bodies import MAX_MESSAGE_BATCH_BYTES, parse_message_size_bytes
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.messages import MESSAGE_LISTING_FETCH_ITEMS, WHOLE_MESSAGE_FETCH_ITEMS
from mailsync.providers.imap.receiving import (
    SERVER_FAILURE_EXCEPTION_TYPES,
    ReceivedMessages,
    UidToLocationFunction,
    request_and_receive_messages,
)
from mailsync.providers.imap.responses import FetchResponseItems


@dataclass(frozen=True, slots=True)
class FolderUidPage:
    """A page of a folder: the messages `all_folder_uids[start_index:end_index]`. The pages go from
    the newest message to the oldest.

    all_folder_uids: UIDs of all messages of the folder, in ascending order.
    max_messages_per_later_page: maximum number of messages of each later page.
    """

    all_folder_uids: Sequence[int] = ()
    start_index: int = 0
    end_index: int = 0
    max_messages_per_later_page: int = 1

    @property
    def page_uids(self) -> Sequence[int]:
        """Return the UIDs of the messages of the page."""
        return self.all_folder_uids[self.start_index : self.end_index]

    def shorten_to_max_batch_bytes(self, sizes: Mapping[int, int]) -> "FolderUidPage":
        """Return a page with the newest messages of this page, as many as have together at most
        MAX_MESSAGE_BATCH_BYTES. Unless this page is empty, the result has at least one message.

        sizes: size of each message in bytes, by UID.
        """
        start, total = self.end_index, 0
        while start > self.start_index:
            total += sizes.get(self.all_folder_uids[start - 1], 0)
            if total > MAX_MESSAGE_BATCH_BYTES and start < self.end_index:
                break
            start -= 1
        return replace(self, start_index=start)

    def build_next_older_page(self) -> "FolderUidPage":
        """Return the page with the next older messages."""
        return FolderUidPage(
            self.all_folder_uids,
            max(0, self.start_index - self.max_messages_per_later_page),
            self.start_index,
            self.max_messages_per_later_page,
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """The response for one page. listed: FETCH items from the list of the next page, by UID.
    following: the part of the next page whose messages were requested. None: none were."""

    received: ReceivedMessages
    listed: dict[int, FetchResponseItems] = field(default_factory=dict)
    following: FolderUidPage | None = None


class ReadAhead:
    """Requests the lists and messages of the next pages of an open folder before the sync does.

    place_of: function that returns the folder, UIDVALIDITY and UID of a message for a UID.
    is_at_end: whether the last call of `take_messages_then_read_ahead` was for the last page of
        the folder.
    """

    def __init__(self, connection: ImapConnection, place_of: UidToLocationFunction) -> None:
        self._connection = connection
        self._place_of = place_of
        self._window = FolderUidPage()
        self._sizes: Mapping[int, int] = {}
        self._listed: dict[int, FetchResponseItems] = {}
        self._reading: tuple[Sequence[int], Callable[[], _Step]] | None = None
        self.is_at_end = False

    def take_listing_that_was_read_ahead(
        self, uids: Sequence[int]
    ) -> dict[int, FetchResponseItems] | None:
        """Return the list items of these messages, by UID. Return None if the list was not read
        ahead."""
        listed, self._listed = self._listed, {}
        return listed if listed.keys() == set(uids) else None

    def set_current_page(self, window: FolderUidPage, sizes: Mapping[int, int]) -> None:
        """Note the page that the sync has just listed, so that the messages of the page may be
        requested.

        sizes: size of each message in bytes, by UID.
        """
        self._window, self._sizes = window, sizes

    def read_first_page_ahead(self, window: FolderUidPage) -> None:
        """Read the list and the messages of the first page of a folder before the sync does."""
        self._listed, first = self._read_list(window)
        if first:
            step = self._read(first)
            self._reading = (first.page_uids, lambda: step)

    @contextmanager
    def take_messages_then_read_ahead(
        self, uids: Sequence[int]
    ) -> Iterator[ReceivedMessages | None]:
        """Yield the messages of this page that the server has sent. If the messages were not read
        ahead, request them now, together with the list of the next page. Yield None if the method
        requests nothing: the caller fetches only a part of the page, or the page is the last page
        or a large page.

        In the body of the `with` statement, the caller fetches the messages that the yielded object
        lacks. After the body, a thread begins to read the next page.

        uids: UIDs of the messages of the page that the caller fetches.
        """
        window, self._window = self._window, FolderUidPage()
        step = self._taken(uids)
        is_whole_page = set(window.page_uids) == set(uids) == self._sizes.keys()
        self.is_at_end = is_whole_page and not window.start_index
        if (
            step is None
            and is_whole_page
            and window.start_index
            and _is_one_batch(window, self._sizes)
        ):
            step = self._read(window)
        if step is None:
            yield None
            return
        self._listed = step.listed
        yield step.received
        following = step.following
        if following and self._connection.is_background_reading_allowed:
            reading = self._connection.start_background_task(lambda: self._read(following))
            self._reading = (following.page_uids, reading.result)

    def _taken(self, uids: Sequence[int]) -> _Step | None:
        """Return the response that was read ahead if it contains exactly these messages."""
        reading, self._reading = self._reading, None
        if reading is None or set(reading[0]) != set(uids):
            return None
        return reading[1]()

    def _read(self, window: FolderUidPage) -> _Step:
        """Read the list of the page after `window`, and request the messages of that page. Then
        read the messages of the page `window`."""
        connection, following = self._connection, window.build_next_older_page()
        with suppress(
            *SERVER_FAILURE_EXCEPTION_TYPES
        ):  # it is a failure of the requests below as well, if it persists
            if following.page_uids:
                connection.send_fetch_commands_ahead(
                    following.page_uids, MESSAGE_LISTING_FETCH_ITEMS
                )
            connection.send_fetch_commands_ahead(window.page_uids, WHOLE_MESSAGE_FETCH_ITEMS)
        listed, following_page = self._read_list(following)
        received = request_and_receive_messages(connection, window.page_uids, self._place_of)
        if received.error_that_ended_response:
            return _Step(received)
        return _Step(received, listed, following_page)

    def _read_list(
        self, window: FolderUidPage
    ) -> tuple[dict[int, FetchResponseItems], FolderUidPage | None]:
        """Read the list of the page `window`, and then request the messages of the page and the
        list of the page after `window`. Return the list items by UID, and the part of `window`
        whose messages were requested. The part is None if no messages were requested. If the
        server fails, the items are empty.

        If several mailboxes share the memory, no messages are requested here.
        """
        connection = self._connection
        with suppress(*SERVER_FAILURE_EXCEPTION_TYPES):
            listed = (
                connection.fetch_items_by_uid(window.page_uids, MESSAGE_LISTING_FETCH_ITEMS)
                if window.page_uids
                else {}
            )
            sizes = {uid: parse_message_size_bytes(each) for uid, each in listed.items()}
            window = window.shorten_to_max_batch_bytes(sizes)
            if not window.page_uids or not set(window.page_uids) <= sizes.keys():
                return listed, None
            if not connection.is_background_reading_allowed or not _is_one_batch(window, sizes):
                return listed, None
            if after := window.build_next_older_page().page_uids:
                connection.send_fetch_commands_ahead(after, MESSAGE_LISTING_FETCH_ITEMS)
            connection.send_fetch_commands_ahead(window.page_uids, WHOLE_MESSAGE_FETCH_ITEMS)
            return listed, window
        return {}, None


def _is_one_batch(window: FolderUidPage, sizes: Mapping[int, int]) -> bool:
    """Return whether the messages of the page have together at most MAX_MESSAGE_BATCH_BYTES. So no
    more than these bytes are in memory beside the page that the caller stores."""
    return sum(sizes.get(uid, 0) for uid in window.page_uids) <= MAX_MESSAGE_BATCH_BYTES
