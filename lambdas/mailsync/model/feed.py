"""Define change feeds, and the position up to which a sync has read each."""

from dataclasses import dataclass
from datetime import datetime

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


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far the sync has read a change feed.

    cursor: the next position in the feed, encrypted because it may grant access to the mailbox.
        None: the full sync has stored no page yet.
    generation: number of the feed's current or last full sync, from 1.
    is_full_sync_running: whether pages of that full sync are still missing.
    page_size: page size that last worked. None: the default.
    is_mid_round: whether pages of the current round (one pass over the feed) are still missing.
    failed_feed_count: number of the provider's kinds of feeds that have failed for this folder or
        mailbox.
    """

    cursor: SealedSecret | None
    generation: int
    is_full_sync_running: bool
    page_size: int | None = None
    is_mid_round: bool = False
    failed_feed_count: int = 0

    @property
    def is_start_of_round(self) -> bool:
        """Return whether the next page is the first page of a round. A round reports the changes up
        to the moment when it starts."""
        return self.cursor is None or not self.is_mid_round


@dataclass(frozen=True, slots=True)
class StoredFeed:
    """A change feed as stored in the database.

    read_at: when the feed was last read. None: never.
    has_pending: whether messages that its pages named are still to be fetched, at once or within
        seconds. Those that the provider reported as gone are requested again later.
    pending_wait_s: seconds until the first of them is to be fetched.
    has_slices: whether some of them are fetched by slices (`Slice`), also by another worker.
    """

    ref: FeedRef
    position: FeedPosition
    read_at: datetime | None = None
    has_pending: bool = False
    pending_wait_s: float = 0.0
    has_slices: bool = False
