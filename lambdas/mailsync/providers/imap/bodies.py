"""Read messages that a server lists.

Whole messages are fetched in batches of some megabytes, and large messages in pieces. Messages that
the server does not deliver are requested again in smaller batches, down to single messages. A
message that fails alone becomes an UnreadableMessage; all others are returned. If the connection
breaks, the next request opens a new connection.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from mailsync.errors import ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.model import Message, UnreadableMessage
from mailsync.providers import ResponseTooLarge
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.ids import MessageUidLocation
from mailsync.providers.imap.messages import FLAGS_FETCH_ITEMS, SIZE
from mailsync.providers.imap.pieces import (
    MAX_FAILED_REQUESTS_PER_MESSAGE,
    MAX_MESSAGE_BYTES,
    MessageTooLarge,
    fetch_piece,
    read_message_in_pieces,
)
from mailsync.providers.imap.receiving import (
    SERVER_FAILURE_EXCEPTION_TYPES,
    MessageOrUnreadable,
    ReceivedMessages,
    count_message_body_chars,
    request_and_receive_messages,
    to_message_or_unreadable,
)
from mailsync.providers.imap.responses import FetchResponseItems
from mailsync.providers.imap.uids import SEARCH_FOR_ALL_UIDS
from mailsync.providers.imap.wire import ResponseMemoryExceeded, ResponseTooLongError
from mailsync.providers.retry_budget import RetryBudget

MAX_MESSAGE_BATCH_BYTES = 8 * 2**20
"""The maximum size of the messages that are requested together."""
MAX_UNSPLIT_MESSAGE_BYTES = 10 * 2**20
"""The maximum size of a message that is fetched as a whole. A larger message is fetched in
pieces."""
MAX_TEXT_CHARS_PER_CALL = 32 * 2**20
"""The maximum number of characters of all texts that one call returns. A single message may have
more."""
MAX_PAUSE_CAUSED_BY_MESSAGE_S = 10.0
"""The longest requested pause that Mailsync takes for the effect of a single message: Yahoo and
iCloud also ask for a short pause if they cannot read a message. After a longer pause request, the
call fails."""


def fetch_items_and_retry_missing(
    connection: ImapConnection,
    uids: Sequence[int],
    items: str,
    *,
    uid_next: int,
    and_if_there: Sequence[int] = (),
) -> dict[int, FetchResponseItems]:
    """Fetch items of messages that the server listed, and return the items by UID.

    A message that is missing in the response is requested again, and then searched for: a missing
    response does not prove that the message is gone.

    uid_next: the folder's UIDNEXT when the list was made. Messages with this UID or a higher one
        arrived later; if they are missing in the response, that is no error.
    and_if_there: UIDs of further messages. If they are missing in the response, they are left out
        of the result.

    Raises:
        ProviderUnavailable: the server lists messages, and sends no items of them.
    """
    found = _fetch_in_parts(connection, [*uids, *and_if_there], items)
    for _ in range(2):
        if not (lacking := set(uids) - found.keys()):
            return found
        found |= _fetch_in_parts(connection, sorted(lacking), items)
    lacking = {uid for uid in uids if uid not in found and uid < uid_next}
    if lacking and lacking & set(connection.search(f"UID {min(lacking)}:{max(lacking)}")):
        raise ProviderUnavailable(
            f"The mail server lists {len(lacking)} messages that it does not send; trying again."
        )
    return found


def _fetch_in_parts(
    connection: ImapConnection, uids: Sequence[int], items: str
) -> dict[int, FetchResponseItems]:
    """Fetch items of messages. If the server rejects a request, split the request into halves, down
    to single messages. If the server rejects a request for a single message, request only the
    message's flags."""
    if len(uids) == 1 and items != FLAGS_FETCH_ITEMS:
        with suppress(ProviderRejected):
            return connection.fetch_items_by_uid(uids, items)
        return connection.fetch_items_by_uid(uids, FLAGS_FETCH_ITEMS)
    try:
        return connection.fetch_items_by_uid(uids, items)
    except ProviderRejected:
        if items == FLAGS_FETCH_ITEMS or not uids:
            raise
    half = len(uids) // 2
    return _fetch_in_parts(connection, uids[:half], items) | _fetch_in_parts(
        connection, uids[half:], items
    )


class MessageReader:
    """Reads whole messages of one folder.

    folder: name of the folder.
    uid_validity: UIDVALIDITY of the folder.
    open_folder: function that returns a connection on which the folder is open. It opens a new
        connection if the last one broke.
    budget: seconds for short pauses.
    """

    def __init__(
        self,
        folder: bytes,
        uid_validity: int,
        open_folder: Callable[[], ImapConnection],
        budget: RetryBudget,
    ) -> None:
        self._folder, self._uid_validity = folder, uid_validity
        self._open_folder = open_folder
        self._budget = budget
        self._found: dict[int, MessageOrUnreadable | None] = {}
        self._failures: dict[int, int] = {}
        self._pauses = 0
        self._rejects_pieces = False

    def read(
        self,
        uids: Sequence[int],
        sizes: Mapping[int, int],
        received: ReceivedMessages | None = None,
    ) -> dict[int, MessageOrUnreadable]:
        """Return the messages by UID. Messages that no longer exist are left out.

        sizes: known sizes in bytes, by UID. The sizes of other messages are requested.
        received: the server's response to an earlier request for all these messages. None: no
            message was requested yet.

        Raises:
            errors of `open_folder`
            ProviderThrottled: the server asks for a long pause, or delivers no message.
            ProviderUnavailable, ProviderRejected: the server delivers no message.
            ResponseTooLarge: the texts of several messages exceed MAX_TEXT_CHARS_PER_CALL.
        """
        known = dict(sizes)
        if unknown := [uid for uid in uids if uid not in known]:
            with suppress(ProviderUnavailable, ProviderRejected):  # only batches need sizes
                for uid, items in self._open_folder().iter_fetched_items(
                    unknown, "(UID RFC822.SIZE)"
                ):
                    known[uid] = parse_message_size_bytes(items)
        work = deque([received.requested_uids] if received else _batches(uids, known))
        while work:
            work.extendleft(reversed(self._read_batch(work.popleft(), known, received)))
            received = None
            if (
                len(uids) > 1
                and sum(map(count_message_body_chars, self._found.values()))
                > MAX_TEXT_CHARS_PER_CALL
            ):
                raise ResponseTooLarge
        return {uid: each for uid, each in self._found.items() if each is not None}

    def _read_batch(
        self, uids: Sequence[int], sizes: Mapping[int, int], received: ReceivedMessages | None
    ) -> Sequence[Sequence[int]]:
        """Read messages; return the batches in which the missing ones are to be requested."""
        is_large = len(uids) == 1 and sizes.get(uids[0], 0) > MAX_UNSPLIT_MESSAGE_BYTES
        if is_large and not self._rejects_pieces and received is None:
            self._read_large(uids[0], sizes[uids[0]])
            return [uids] if self._rejects_pieces else []
        failure = self._receive(uids, received)
        rest = [uid for uid in uids if uid not in self._found]
        if rest and isinstance(failure, ProviderThrottled) and self._has_paused(failure):
            return [rest]
        if len(uids) == 1:
            return [rest] if rest and not self._resolve(uids[0], failure) else []
        if len(rest) == len(uids):
            return [rest[: len(rest) // 2], rest[len(rest) // 2 :]]
        # Most servers send messages in ascending order, so the first missing one is the cause.
        parts = [rest[:1], rest[1:]] if failure else [rest]
        return [part for part in parts if part]

    def _receive(self, uids: Sequence[int], received: ReceivedMessages | None) -> Exception | None:
        """Add the messages that the server delivers to `_found`; return the server's failure, or
        None. A failure because the memory is full is raised instead.

        received: the response that has already arrived. None: request the messages now.
        """
        if received is None:
            received = request_and_receive_messages(self._open_folder(), uids, self._place)
        try:
            self._add_received(received)
        except SERVER_FAILURE_EXCEPTION_TYPES as error:
            received.error_that_ended_response = error
        failure = received.error_that_ended_response
        if failure and isinstance(failure.__cause__, ResponseMemoryExceeded):
            raise failure
        return failure

    def _add_received(self, received: ReceivedMessages) -> None:
        """Add the received messages to `_found`. If flags of messages are missing, request them."""
        self._found |= received.messages_by_uid
        late = received.fetched_items_needing_flags_by_uid
        if not late or received.error_that_ended_response:
            return
        # Some servers send the flags in a response of their own, or leave out empty ones. Courier
        # sends a placeholder for a message that is gone, which its list shows until NOOP.
        connection = self._open_folder()
        connection.noop()
        flags = connection.fetch_items_by_uid(late, FLAGS_FETCH_ITEMS)
        for uid, items in late.items():
            if uid in flags or uid in connection.search(f"UID {uid}:{uid}"):
                self._add(uid, {b"FLAGS": (), **items, **flags.get(uid, {})})
            else:
                self._found[uid] = None

    def _add(self, uid: int, items: FetchResponseItems) -> None:
        self._found[uid] = to_message_or_unreadable(self._place(uid), items)

    def _has_paused(self, failure: ProviderThrottled) -> bool:
        """Sleep as long as the server asks, and return True. Return False without sleeping if the
        retry budget does not allow the pause.

        Raises:
            ProviderThrottled: the pause has no length, or is too long to be caused by a message.
        """
        pause_s = failure.retry_after_s
        if pause_s is None or pause_s > MAX_PAUSE_CAUSED_BY_MESSAGE_S:
            raise failure
        self._pauses += 1
        return self._budget.sleep_if_budget_allows(pause_s, self._pauses - 1)

    def _resolve(self, uid: int, failure: Exception | None) -> bool:
        """Decide what becomes of a message that failed in a request of its own. Return False if it
        is to be requested once more."""
        if failure and isinstance(failure.__cause__, ResponseTooLongError):
            self._found[uid] = self._unreadable(uid, str(MessageTooLarge()), "too_large")
            self._read_large(uid, MAX_MESSAGE_BYTES + 1)
            return True
        self._failures[uid] = self._failures.get(uid, 0) + 1
        if self._failures[uid] < MAX_FAILED_REQUESTS_PER_MESSAGE:
            return False
        self._found[uid] = self._give_up(uid, failure)
        return True

    def _give_up(self, uid: int, failure: Exception | None) -> UnreadableMessage | None:
        """Return why a message cannot be read; None if it is gone.

        Raises:
            failure: the server delivers no other message either, or the memory is full.
        """
        if failure and isinstance(failure.__cause__, ResponseMemoryExceeded):
            raise failure
        connection = self._open_folder()
        connection.noop()
        if uid not in connection.search(f"UID {uid}:{uid}"):
            return None
        if failure and not self._delivers_others(uid):
            raise failure
        return self._unreadable(
            uid, f"The mail server lists this message without its text. {failure or ''}".rstrip()
        )

    def _delivers_others(self, uid: int) -> bool:
        """Return whether the server delivers another message. True if there is no other."""
        if any(isinstance(each, Message) for each in self._found.values()):
            return True
        others = self._open_folder().search(SEARCH_FOR_ALL_UIDS)
        others = [each for each in others if each not in self._found and each != uid]
        for other in {*others[-1:], *others[:1]}:
            try:
                if fetch_piece(self._open_folder(), other, 0, 1)[0] is not None:
                    return True
            except SERVER_FAILURE_EXCEPTION_TYPES:
                continue
        return not others

    def _read_large(self, uid: int, size: int) -> None:
        try:
            items = read_message_in_pieces(self._open_folder, uid, size)
        except MessageTooLarge as failure:
            self._found[uid] = self._unreadable(uid, str(failure), "too_large")
        except ProviderRejected:
            self._rejects_pieces = True
        except ProviderUnavailable as failure:
            self._found[uid] = self._give_up(uid, failure)
        else:
            if items is None:
                self._found[uid] = self._give_up(uid, None)
            else:
                self._add(uid, items)
                self._open_folder().release_memory_of_received_literals(
                    count_message_body_chars(self._found[uid])
                )

    def _unreadable(self, uid: int, detail: str, cause: str = "unanswered") -> UnreadableMessage:
        return UnreadableMessage(self._place(uid).to_message_id(), cause, detail)

    def _place(self, uid: int) -> MessageUidLocation:
        return MessageUidLocation(self._folder, self._uid_validity, uid)


def parse_message_size_bytes(items: FetchResponseItems) -> int:
    """Return the message size in bytes that the server states in the FETCH items. Return 0 if it
    states none."""
    size = items.get(SIZE)
    return size if isinstance(size, int) else 0


def _batches(uids: Sequence[int], sizes: Mapping[int, int]) -> Iterator[Sequence[int]]:
    """Divide messages into batches of at most MAX_MESSAGE_BATCH_BYTES; a large message is alone."""
    batch: list[int] = []
    batch_bytes = 0
    for uid in sorted(uids):
        size = sizes.get(uid, 0)
        if batch and batch_bytes + size > MAX_MESSAGE_BATCH_BYTES:
            yield batch
            batch, batch_bytes = [], 0
        batch.append(uid)
        batch_bytes += size
    if batch:
        yield batch
