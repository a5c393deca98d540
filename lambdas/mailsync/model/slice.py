"""Define slices: the spans of time in which several workers fetch the messages of one large
folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mailsync.model.ids import RemoteId
from mailsync.model.message import Message


@dataclass(frozen=True, slots=True)
class Slice:
    """Successive messages of a folder that one worker fetches with one request.

    received_at: when each message arrived, by the message's id; not empty. The folder's change feed
        has named these messages.
    """

    received_at: Mapping[RemoteId, datetime]

    @property
    def since(self) -> datetime:
        return min(self.received_at.values())

    @property
    def until(self) -> datetime:
        return max(self.received_at.values())


@dataclass(frozen=True, slots=True)
class SlicePage:
    """The newest messages of a folder that arrived within the span of a slice.

    is_complete: whether the page has all of them.
    size_bytes: decompressed size of the responses that it took.
    """

    messages: tuple[Message, ...]
    is_complete: bool
    size_bytes: int = 0
