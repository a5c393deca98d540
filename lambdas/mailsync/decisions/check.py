"""Classify how much work a check found in a mailbox. A check is the scheduled inspection of a due
mailbox."""

from collections.abc import Collection, Iterable, Mapping
from enum import Enum, auto

from mailsync.decisions.folders import FolderTreeDiff, find_reason_of_incomplete_listing
from mailsync.decisions.verify import FolderCounts, do_counts_match_provider
from mailsync.model import (
    FeedId,
    FolderListing,
    Page,
    RemoteId,
    StoredFeed,
    StoredFolder,
    distinct_feeds_of_folders,
)

MAX_MAILBOX_FOLDERS_FOR_CHECK = 1_000
"""The maximum number of folders of a mailbox that a check reads. A mailbox with more folders gets
an execution. A check that reads everything sends two requests for each folder: one for its child
folders, one for its changes. With 88 ms per response and four requests in flight, 1,000 folders
take 44 s. A check has 90 s (`batch.MIN_REMAINING_TIME_FOR_CHECK_S`), so the provider may take
twice as long."""


class WorkFoundByCheck(Enum):
    """How much work a check found in a mailbox.

    NOTHING_NEW: no work. The check has also verified the mailbox: all counts equal the provider's
        counts.
    CHECK_CAN_STORE_ALL_CHANGES: all changes are on the pages that the check has read, so the check
        can store them.
    NEEDS_EXECUTION: an execution of the workflow must sync the mailbox, because a folder is new,
        needs a full sync, has more pages or pending messages, or could not be read.
    """

    NOTHING_NEW = auto()
    CHECK_CAN_STORE_ALL_CHANGES = auto()
    NEEDS_EXECUTION = auto()


def classify_work_found_by_check(
    *,
    is_fully_verified: bool,
    listing: FolderListing,
    plan: FolderTreeDiff,
    folders: Iterable[StoredFolder],
    pages: Mapping[FeedId, Page],
    waiting: Collection[FeedId],
    moved: Collection[RemoteId],
    counts: Iterable[FolderCounts],
) -> WorkFoundByCheck:
    """Return how much work a check of a mailbox found.

    is_fully_verified: whether the last sync verified every folder.
    listing: the provider's folder tree as the check has read it.
    plan: the differences between `listing` and the stored folder tree.
    folders: all stored folders of the account.
    pages: for each change feed that the check has read, the feed's next page.
    waiting: change feeds that this check did not read; a later check reads them.
    moved: provider ids of folders whose counts at the provider changed since the last check.
    counts: for each mirrored folder in `listing` whose counts were fetched, the stored and the
        provider's counts.

    The result NOTHING_NEW also means that the check has verified the mailbox. The function returns
    NOTHING_NEW only if `is_fully_verified` is true, no change feed reports a change, the folder
    tree is unchanged, and each stored count equals the provider's current count.
    """
    folders = tuple(folders)
    known = {folder.ref.remote_id for folder in folders}
    feeds = distinct_feeds_of_folders(folder for folder in folders if folder.is_mirrored)
    seen = [pages.get(feed.ref.id) for feed in feeds if feed.ref.id not in waiting]
    if any(folder.remote_id not in known for folder in plan.new_and_changed_folders):
        return WorkFoundByCheck.NEEDS_EXECUTION
    if listing.failure_reason_by_folder_remote_id or find_reason_of_incomplete_listing(
        listing, folders
    ):
        return WorkFoundByCheck.NEEDS_EXECUTION
    if any(_is_unfinished(feed) for feed in feeds):
        return WorkFoundByCheck.NEEDS_EXECUTION
    if any(page is None or page.has_more for page in seen):
        return WorkFoundByCheck.NEEDS_EXECUTION
    is_same = not (
        plan.new_and_changed_folders
        or plan.gone_folder_ids
        or moved
        or any(page.changes for page in seen if page)
    )
    if is_fully_verified and is_same and all(do_counts_match_provider(count) for count in counts):
        return WorkFoundByCheck.NOTHING_NEW
    return WorkFoundByCheck.CHECK_CAN_STORE_ALL_CHANGES


def _is_unfinished(feed: StoredFeed) -> bool:
    """Return whether an earlier sync left pages of the feed unread, or messages of the feed
    pending."""
    position = feed.position
    return (
        position.is_full_sync_running
        or not position.is_next_page_first_of_round
        or feed.has_pending_messages_due_soon
    )
