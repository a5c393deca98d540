"""Receive the messages that a server sends in response to one FETCH command."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mailsync.errors import ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.model import Message, UnreadableMessage
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.ids import MessagePlace
from mailsync.providers.imap.messages import BODY, WHOLE_ITEMS, has_body, to_message
from mailsync.providers.imap.responses import FetchedItems

_MAX_PLACEHOLDER_BYTES = 20_000
_EXCHANGE_PLACEHOLDER = re.compile(
    rb"^Subject: *Retrieval using the IMAP4 protocol failed for the following message",
    re.IGNORECASE | re.MULTILINE,
)
_COURIER_PLACEHOLDER = re.compile(rb"^Subject: message unavailable\r?$", re.MULTILINE)
FAILURES = (ProviderUnavailable, ProviderRejected, ProviderThrottled)
ReadResult = Message | UnreadableMessage
PlaceOfUid = Callable[[int], MessagePlace]


@dataclass(slots=True)
class Received:
    """The messages that a server sent in response to one command.

    uids: UIDs of the requested messages.
    found: the complete messages, by UID.
    late: the items of messages whose flags did not come with their text, and of texts that may be
        Courier's placeholder for a message that is gone. The caller requests their flags.
    failure: the error that ended the response. None: it is complete.
    """

    uids: Sequence[int]
    found: dict[int, ReadResult] = field(default_factory=dict)
    late: dict[int, FetchedItems] = field(default_factory=dict)
    failure: ProviderUnavailable | ProviderRejected | ProviderThrottled | None = None


def receive_messages(
    connection: ImapConnection, uids: Sequence[int], place_of: PlaceOfUid
) -> Received:
    """Request messages and parse each as it arrives. A failure of the server is in the result."""
    received = Received(uids)
    items: dict[int, FetchedItems] = {}
    try:
        for uid, each in connection.fetch_each(uids, WHOLE_ITEMS):
            items[uid] = {**items.get(uid, {}), **each}
            if is_complete(items[uid]):
                found = received.found[uid] = to_result(place_of(uid), items.pop(uid))
                connection.release_memory(count_text_chars(found))
    except FAILURES as failure:
        received.failure = failure
    received.late = {
        uid: each for uid, each in items.items() if has_body(each) and uid not in received.found
    }
    return received


def is_complete(items: FetchedItems) -> bool:
    """Return whether the server has sent the text and the flags of a message, and the text cannot
    be Courier's placeholder for a removed message."""
    return has_body(items) and b"FLAGS" in items and not _may_be_placeholder(items[BODY])


def to_result(place: MessagePlace, items: FetchedItems) -> ReadResult:
    """Return the message; an UnreadableMessage for Exchange's placeholder."""
    raw = items[BODY]
    if len(raw) < _MAX_PLACEHOLDER_BYTES and _EXCHANGE_PLACEHOLDER.search(raw, 0, _header_end(raw)):
        detail = "The mail server sent a notice in place of this message."
        return UnreadableMessage(place.to_id(), "unanswered", detail)
    return to_message(place, items)


def count_text_chars(message: ReadResult | None) -> int:
    if not isinstance(message, Message):
        return 0
    return len(message.body_text or "") + len(message.body_html or "")


def _may_be_placeholder(raw: bytes) -> bool:
    """Return whether the message may be Courier's placeholder, of 129 bytes."""
    if len(raw) >= _MAX_PLACEHOLDER_BYTES or b"message unavailable" not in raw:
        return False
    return bool(_COURIER_PLACEHOLDER.search(raw))


def _header_end(raw: bytes) -> int:
    """Return the end of the header, where a pattern need not look further."""
    end = raw.find(b"\r\n\r\n")
    return len(raw) if end < 0 else end
