"""Receive the messages that a server sends in response to one FETCH command."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mailsync.errors import ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.model import Message, UnreadableMessage
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.ids import MessageUidLocation
from mailsync.providers.imap.messages import (
    BODY,
    WHOLE_MESSAGE_FETCH_ITEMS,
    fetch_items_contain_body,
    message_from_fetch_items,
)
from mailsync.providers.imap.responses import FetchResponseItems

_MAX_PLACEHOLDER_BYTES = 20_000
_EXCHANGE_PLACEHOLDER = re.compile(
    rb"^Subject: *Retrieval using the IMAP4 protocol failed for the following message",
    re.IGNORECASE | re.MULTILINE,
)
_COURIER_PLACEHOLDER = re.compile(rb"^Subject: message unavailable\r?$", re.MULTILINE)
SERVER_FAILURE_EXCEPTION_TYPES = (ProviderUnavailable, ProviderRejected, ProviderThrottled)
"""The errors with which a request to the mail server can fail."""
MessageOrUnreadable = Message | UnreadableMessage
"""The result of reading one message."""
UidToLocationFunction = Callable[[int], MessageUidLocation]
"""A function that returns the place of a message for its UID."""


@dataclass(slots=True)
class ReceivedMessages:
    """The messages that a server sent in response to one FETCH command.

    requested_uids: UIDs of the requested messages.
    messages_by_uid: the complete messages.
    fetched_items_needing_flags_by_uid: FETCH items with a text for which the caller must still
        request the flags. Either the server has not sent the flags, or the text may be a
        placeholder that the server Courier sends for a message that no longer exists.
    error_that_ended_response: the error that ended the response early. None: the server completed
        the response.
    """

    requested_uids: Sequence[int]
    messages_by_uid: dict[int, MessageOrUnreadable] = field(default_factory=dict)
    fetched_items_needing_flags_by_uid: dict[int, FetchResponseItems] = field(default_factory=dict)
    error_that_ended_response: ProviderUnavailable | ProviderRejected | ProviderThrottled | None = (
        None
    )


def request_and_receive_messages(
    connection: ImapConnection, uids: Sequence[int], place_of: UidToLocationFunction
) -> ReceivedMessages:
    """Request whole messages, and parse each one as soon as it arrives. A failure of the server is
    not raised; it is the result's `error_that_ended_response`.

    place_of: function that returns the place of a message for a UID.
    """
    received = ReceivedMessages(uids)
    items: dict[int, FetchResponseItems] = {}
    try:
        for uid, each in connection.iter_fetched_items(uids, WHOLE_MESSAGE_FETCH_ITEMS):
            items[uid] = {**items.get(uid, {}), **each}
            if has_message_body_and_flags(items[uid]):
                found = received.messages_by_uid[uid] = to_message_or_unreadable(
                    place_of(uid), items.pop(uid)
                )
                connection.release_memory_of_received_literals(count_message_body_chars(found))
    except SERVER_FAILURE_EXCEPTION_TYPES as failure:
        received.error_that_ended_response = failure
    received.fetched_items_needing_flags_by_uid = {
        uid: each
        for uid, each in items.items()
        if fetch_items_contain_body(each) and uid not in received.messages_by_uid
    }
    return received


def has_message_body_and_flags(items: FetchResponseItems) -> bool:
    """Return whether the server has sent both the text and the flags of a message. Return False if
    the text may be the placeholder that the server Courier sends for a removed message."""
    return (
        fetch_items_contain_body(items)
        and b"FLAGS" in items
        and not _may_be_placeholder(items[BODY])
    )


def to_message_or_unreadable(
    place: MessageUidLocation, items: FetchResponseItems
) -> MessageOrUnreadable:
    """Return the message that the FETCH items contain. Return an UnreadableMessage if Exchange has
    sent a notice in place of the message."""
    raw = items[BODY]
    if len(raw) < _MAX_PLACEHOLDER_BYTES and _EXCHANGE_PLACEHOLDER.search(raw, 0, _header_end(raw)):
        detail = "The mail server sent a notice in place of this message."
        return UnreadableMessage(place.to_message_id(), "unanswered", detail)
    return message_from_fetch_items(place, items)


def count_message_body_chars(message: MessageOrUnreadable | None) -> int:
    """Return the number of characters of a message's texts. Return 0 for None and for an unreadable
    message."""
    if not isinstance(message, Message):
        return 0
    return len(message.body_text or "") + len(message.body_html or "")


def _may_be_placeholder(raw: bytes) -> bool:
    """Return whether the message may be Courier's placeholder, of 129 bytes."""
    if len(raw) >= _MAX_PLACEHOLDER_BYTES or b"message unavailable" not in raw:
        return False
    return bool(_COURIER_PLACEHOLDER.search(raw))


def _header_end(raw: bytes) -> int:
    """Return the position at which the message's header ends. Return the length of `raw` if the
    header has no end."""
    end = raw.find(b"\r\n\r\n")
    return len(raw) if end < 0 else end
