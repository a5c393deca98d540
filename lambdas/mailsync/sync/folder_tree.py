"""Read the folder tree, and store the changes that fit on one page: the work of the state
`sync-folders`."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from mailsync.decisions.budget import has_time_for_more_folders
from mailsync.decisions.folders import (
    batch_small_folders_for_full_sync,
    find_folders_with_changed_counts,
    sort_feeds_by_reading_priority,
    sort_folders_by_last_change,
)
from mailsync.decisions.freshness import choose_feeds_to_read
from mailsync.errors import CursorExpired
from mailsync.model import (
    Cursor,
    FeedId,
    FeedRef,
    FolderId,
    FolderListing,
    FolderTreeReadingMode,
    Page,
    RemoteId,
    StoredFeed,
    StoredFolder,
    SyncType,
    distinct_feeds_of_folders,
)
from mailsync.sync.feed_pages import is_feed_up_to_date_after_page
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.newest import store_newest_mail
from mailsync.sync.store_page import DEFAULT_PAGE_SIZE, store_pages
from mailsync.sync.stored_tree import remove_stored_unmirrored_mail, save_folder_tree

MAX_FEEDS_READ_PER_SNAPSHOT = 1_500
"""The maximum number of change feeds whose next pages one function reads together. With four
requests in flight and 88 ms per response they take 33 s. The state `sync-folder` reads the other
feeds of a larger mailbox."""


@dataclass(frozen=True, slots=True)
class MailboxSnapshot:
    """The state of a mailbox that a sync has read from the provider and has not stored yet.

    previously_stored_folders: the folders that were stored before this reading.
    folder_listing: the folder tree at the provider.
    tree_reading_mode: how much of the folder tree was read.
    pages_requested_at_monotonic_s: value of the monotonic clock before the folders and pages were
        requested.
    next_page_by_feed_id: the next page of each change feed that was read.
    folder_ids_with_changed_counts: provider ids of folders whose counts changed since the last
        reading.
    feed_ids_left_to_later_sync: ids of change feeds that only a later sync reads.
    """

    previously_stored_folders: Sequence[StoredFolder]
    folder_listing: FolderListing
    tree_reading_mode: FolderTreeReadingMode
    pages_requested_at_monotonic_s: float
    next_page_by_feed_id: Mapping[FeedId, Page]
    folder_ids_with_changed_counts: frozenset[RemoteId]
    feed_ids_left_to_later_sync: frozenset[FeedId]


def read_folder_tree_and_next_pages_of_feeds(
    mailbox: Mailbox,
    known: Sequence[StoredFolder],
    reading: FolderTreeReadingMode,
    *,
    since_s: float,
) -> MailboxSnapshot:
    """Read the folder tree at the provider, and the next page of each change feed whose full sync
    has ended.

    In a large mailbox, some feeds are left to a later sync. The result has no page of a feed that
    fails, and pages of at most `MAX_FEEDS_READ_PER_SNAPSHOT` feeds.

    known: the stored folders.
    reading: how much of the folder tree to read.
    since_s: seconds since the last sync of the mailbox.
    """
    requested_at = time.monotonic()  # a page may say what the list of folders says of its folder
    listing = mailbox.provider.list_folders(sort_folders_by_last_change(known), reading)
    moved = find_folders_with_changed_counts(listing, known)
    synced = [
        each for each in known if each.is_mirrored and not each.feed.position.is_full_sync_running
    ]
    chosen = choose_feeds_to_read(synced, moved, now=datetime.now(UTC), since_s=since_s)
    waiting = {each.ref.id for each in distinct_feeds_of_folders(synced)} - {
        each.ref.id for each in chosen
    }
    pages = _fetch_next_pages(mailbox, chosen[:MAX_FEEDS_READ_PER_SNAPSHOT])
    return MailboxSnapshot(known, listing, reading, requested_at, pages, moved, frozenset(waiting))


@dataclass(frozen=True, slots=True)
class FolderSyncResult:
    """The result of `sync_folders`.

    remaining_feeds: the change feeds that have more pages, or for which no time was left. The feed
        of the Inbox is first, then come the feeds with the most messages.
    existing_folders: the stored folders that exist at the provider.
    gone_folders: the stored folders that no longer exist there and are hidden.
    is_all_unmirrored_mail_removed: whether all mail of gone and of deselected folders was
        removed.
    """

    remaining_feeds: tuple[StoredFeed, ...]
    existing_folders: Sequence[StoredFolder]
    gone_folders: Sequence[StoredFolder]
    is_all_unmirrored_mail_removed: bool


def sync_folders(
    mailbox: Mailbox, remaining_s: Callable[[], float], seen: MailboxSnapshot | None = None
) -> FolderSyncResult:
    """Sync the folder tree and all small changes.

    The next pages of all known feeds, and small new folders, are read in a few requests and stored
    immediately. An incremental sync, or the first sync of a small mailbox, then does not need the
    state `sync-folder`. A feed that failed in an earlier execution of the run is left to the next
    run; otherwise executions would hand over a run with failing feeds without end.

    remaining_s: returns the seconds until the time-out of the function.
    seen: the snapshot that a check has read under the same lease. None: read the mailbox now.
    """
    run, restart, failed_before = mailbox.run_ref, None, frozenset[FeedId]()
    if seen is None:
        asked, rounds = mailbox.run_store.read_sync_scope_and_repair_round_count(run)
        known = mailbox.folder_store.read_existing_folders(run.account_id)
        if is_begun := not known and store_newest_mail(mailbox) is not None:
            known = mailbox.folder_store.read_existing_folders(run.account_id)
        seen = _snapshot(mailbox, known, asked.sync_type, is_begun=is_begun)
        failed_before = mailbox.run_folder_store.feed_ids_failed_in_past_executions(run)
        if asked.sync_type is SyncType.FULL and rounds == 0:  # else new folders have appeared since
            restart = asked.folder_ids
    listing = seen.folder_listing
    stored, gone, is_mail_removed = _store_tree(
        mailbox, seen, restart, lambda: has_time_for_more_folders(remaining_s())
    )
    folders = [each for each in stored if each.is_mirrored]
    synced = [each for each in folders if not each.feed.position.is_full_sync_running]
    synced_feeds = distinct_feeds_of_folders(synced)
    pages, requested_at = seen.next_page_by_feed_id, seen.pages_requested_at_monotonic_s
    done = _apply(mailbox, synced_feeds, pages, requested_at, remaining_s)
    if moved := _moved_silently(synced, seen):
        mailbox.folder_store.make_message_id_comparison_due(run, moved)
    starts = batch_small_folders_for_full_sync(
        folders,
        listing.folders,
        page_size=DEFAULT_PAGE_SIZE,
        max_messages=mailbox.provider.provider_tuning.max_messages_in_batch_of_small_folders,
    )
    done |= _start_full_syncs(mailbox, list(starts), remaining_s)
    later = seen.feed_ids_left_to_later_sync & {each.ref.id for each in synced_feeds}
    excluded = done | later | failed_before
    left = [each for each in distinct_feeds_of_folders(folders) if each.ref.id not in excluded]
    return FolderSyncResult(
        sort_feeds_by_reading_priority(left, folders), stored, gone, is_mail_removed
    )


def _store_tree(
    mailbox: Mailbox,
    seen: MailboxSnapshot,
    restart: Sequence[FolderId] | None,
    has_time: Callable[[], bool],
) -> tuple[Sequence[StoredFolder], Sequence[StoredFolder], bool]:
    """Store the folder tree, and remove the mail of gone and of deselected folders. Return the
    existing folders, the gone folders, and whether all such mail was removed.

    restart: folders whose full sync to restart. Empty: all folders. None: no folder.
    """
    run = mailbox.run_ref
    with mailbox.begin_transaction(run) as stores:
        save_folder_tree(
            mailbox,
            stores,
            seen.previously_stored_folders,
            seen.folder_listing,
            seen.tree_reading_mode,
        )
        if restart is not None:
            stores.feed_store.restart_full_syncs(run, restart)
        if any(each.feed.position.feed_kind_index for each in seen.previously_stored_folders):
            stores.feed_store.switch_fallback_feeds_to_preferred_kind(run)
        is_removed = remove_stored_unmirrored_mail(mailbox, stores, lambda: False)
        known, gone = stores.folder_store.read_existing_and_gone_folders(run.account_id)
    return known, gone, is_removed or remove_stored_unmirrored_mail(mailbox, mailbox, has_time)


def _start_full_syncs(
    mailbox: Mailbox, batches: Sequence[Sequence[StoredFeed]], remaining_s: Callable[[], float]
) -> frozenset[FeedId]:
    """Read and store the first page of each feed, batch by batch, as long as there is time; return
    the feeds that are then up to date. While this function stores a batch, the provider's client
    may already fetch the pages of the next batch."""
    done: frozenset[FeedId] = frozenset()
    positions = [[(feed.ref, None) for feed in batch] for batch in batches]
    requested_at = time.monotonic()
    for number, batch in enumerate(batches):
        if not has_time_for_more_folders(remaining_s()):
            break
        next_requested_at = time.monotonic()  # at the earliest
        pages = mailbox.provider.fetch_next_page_of_each_feed(
            positions[number],
            limit=DEFAULT_PAGE_SIZE,
            following=positions[number + 1] if number + 1 < len(batches) else (),
        )
        done |= _apply(mailbox, batch, pages, requested_at, remaining_s)
        requested_at = next_requested_at
    return done


def _snapshot(
    mailbox: Mailbox, known: Sequence[StoredFolder], sync_type: SyncType, *, is_begun: bool
) -> MailboxSnapshot:
    """Read the mailbox. A scheduled sync of a large mailbox reads only some feeds, any other sync
    reads every feed.

    is_begun: whether this first sync has stored the newest mail already. Then this function does
        not search below every folder for hidden folders; the check after the sync does.
    """
    thorough = sync_type is SyncType.FULL or (
        not is_begun and (sync_type is SyncType.INITIAL or not known)
    )
    reading = (
        FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS
        if thorough
        else FolderTreeReadingMode.ALL_LISTED_FOLDERS
    )
    since_s = 0.0 if sync_type is SyncType.AUTOMATIC else float("inf")
    return read_folder_tree_and_next_pages_of_feeds(mailbox, known, reading, since_s=since_s)


def _moved_silently(folders: Sequence[StoredFolder], seen: MailboxSnapshot) -> Collection[FolderId]:
    """Return folders whose counts changed although their feeds reported no change."""
    return [
        folder.ref.id
        for folder in folders
        if folder.ref.remote_id in seen.folder_ids_with_changed_counts
        and (page := seen.next_page_by_feed_id.get(folder.feed.ref.id))
        and not page.changes
        and page.remote_ids_of_all_messages_of_feed is None
        and not page.has_more
    ]


def _fetch_next_pages(mailbox: Mailbox, feeds: Sequence[StoredFeed]) -> Mapping[FeedId, Page]:
    positions = list(_positions(mailbox, feeds))
    return (
        mailbox.provider.fetch_next_page_of_each_feed(positions, limit=DEFAULT_PAGE_SIZE)
        if positions
        else {}
    )


def _apply(
    mailbox: Mailbox,
    feeds: Sequence[StoredFeed],
    pages: Mapping[FeedId, Page],
    requested_at: float,
    remaining_s: Callable[[], float],
) -> frozenset[FeedId]:
    """Store the next page of each feed, as long as there is time. Return the feeds that
    have no further changes after that page.

    A feed that has no page in `pages`, or whose page is rejected, does not stop the other feeds.
    `sync-folder` processes such a feed alone, with smaller pages, or the workflow marks its folder
    as failed.
    """
    stored = store_pages(
        mailbox,
        [(feed, pages[feed.ref.id]) for feed in feeds if feed.ref.id in pages],
        requested_at=requested_at,
        has_time=lambda: has_time_for_more_folders(remaining_s()),
    )
    return frozenset(
        feed.ref.id
        for feed in feeds
        if feed.ref.id in stored
        and not feed.has_pending_messages_due_soon
        and is_feed_up_to_date_after_page(
            pages[feed.ref.id],
            stored[feed.ref.id],
            started_in_this_sync=feed.position.is_next_page_first_of_round,
        )
    )


def _positions(mailbox: Mailbox, feeds: Sequence[StoredFeed]) -> Iterator[tuple[FeedRef, Cursor]]:
    """Yield each feed that has a cursor, with its decrypted cursor. Feeds that need a full sync are
    left to `sync-folder`."""
    for feed in feeds:
        with suppress(CursorExpired):
            cursor = mailbox.decrypt_cursor(feed)
            if cursor is not None:
                yield feed.ref, cursor
