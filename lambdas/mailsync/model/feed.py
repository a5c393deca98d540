"""Define change feeds, and the position up to which Mailsync has read each change feed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsync.model.account import SealedSecret
from mailsync.model.ids import FeedId, FolderId, RemoteId


@dataclass(frozen=True, slots=True)
class FolderRef:
    """The two ids of a folder: the id in the database and the provider's id."""

    id: FolderId
    remote_id: RemoteId


@dataclass(frozen=True, slots=True)
class FeedRef:
    """The identity of a change feed.

    folder: the folder whose changes the feed reports. None: the feed reports the changes of the
        whole mailbox.
    """

    id: FeedId
    folder: FolderRef | None = None

    @property
    def log_fields(self) -> dict[str, Any]:
        """Return the fields that identify the feed in a log record: its id, and the id of its
        folder if it has one."""
        fields = {"feed_id": int(self.id)}
        return {**fields, "folder_id": int(self.folder.id)} if self.folder else fields


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far Mailsync has read a change feed.

    sealed_cursor: the position of the feed's next page, encrypted because it may grant access to
        the mailbox. None: the full sync has stored no page yet.
    full_sync_generation: number of the feed's current or last full sync, from 1.
    is_full_sync_running: whether pages of that full sync are still missing.
    messages_per_page: the number of messages per page that last worked. None: the default of the
        provider.
    has_unfinished_round: whether pages of the current round (one pass over the feed) are missing.
    feed_kind_index: number of kinds of feeds that have failed. A provider can have several
        kinds of feeds for a folder or mailbox, in an order of preference. The count is also the
        index of the kind that is used now.
    """

    sealed_cursor: SealedSecret | None
    full_sync_generation: int
    is_full_sync_running: bool
    messages_per_page: int | None = None
    has_unfinished_round: bool = False
    feed_kind_index: int = 0

    @property
    def is_next_page_first_of_round(self) -> bool:
        """Return whether the next page is the first page of a round. A round reports the changes up
        to the moment when the round starts."""
        return self.sealed_cursor is None or not self.has_unfinished_round


@dataclass(frozen=True, slots=True)
class StoredFeed:
    """A change feed as stored in the database.

    last_read_at: when the feed was last read. None: never.
    has_pending_messages_due_soon: whether the feed has pending messages that are to be fetched now
        or within seconds. A pending message is a message that a page named without its contents.
        Pending messages that the provider reported as gone do not count; they are requested later.
    pending_fetch_due_in_s: seconds until the first pending message is to be fetched. 0: now, or the
        feed has no pending messages.
    has_slices_to_fetch: whether workers fetch some of the pending messages in slices (`TimeSlice`).
    """

    ref: FeedRef
    position: FeedPosition
    last_read_at: datetime | None = None
    has_pending_messages_due_soon: bool = False
    pending_fetch_due_in_s: float = 0.0
    has_slices_to_fetch: bool = False
