"""Define slices. Several workers fetch the messages of a large folder at the same time, and each
worker fetches the messages that arrived within a span of time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mailsync.model.ids import RemoteId
from mailsync.model.message import Message


@dataclass(frozen=True, slots=True)
class TimeSlice:
    """The messages of one folder that arrived within a span of time. One worker fetches them with
    one list request for that span.

    received_at_by_pending_message_id: the messages of the slice, at least one. The key is the
        provider's message id, the value is the time when the message arrived. The folder's change
        feed has named these messages without their contents.
    """

    received_at_by_pending_message_id: Mapping[RemoteId, datetime]

    @property
    def earliest_received_at(self) -> datetime:
        return min(self.received_at_by_pending_message_id.values())

    @property
    def latest_received_at(self) -> datetime:
        return max(self.received_at_by_pending_message_id.values())


@dataclass(frozen=True, slots=True)
class TimeSlicePage:
    """The provider's response to the request for a slice: the newest messages of the
    folder that arrived within the slice's span of time.

    messages: the messages with their contents.
    has_all_messages_of_slice: whether the page has all messages of the span. False: older messages
        are missing.
    response_size_bytes: decompressed size of the provider's responses for this page.
    """

    messages: tuple[Message, ...]
    has_all_messages_of_slice: bool
    response_size_bytes: int = 0
