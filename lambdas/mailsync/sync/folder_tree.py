"""`sync-folders`: read the folder tree, and store the changes that fit on one page."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from mailsync.decisions.folders import (
    batch_small_full_syncs,
    diff_folders,
    folders_with_changed_counts,
    sort_by_activity,
    sort_by_size,
)
from mailsync.decisions.freshness import feeds_to_read
from mailsync.errors import CursorExpired, ProviderRejected, StoreRejected
from mailsync.log import logger
from mailsync.model import (
    Cursor,
    FolderId,
    FolderListing,
    FolderRef,
    Page,
    RemoteId,
    StoredFolder,
    SyncType,
    TreeReadingDepth,
)
from mailsync.sync.folder_pages import is_up_to_date
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.store_page import DEFAULT_PAGE_SIZE, PageTooLarge, store_page


@dataclass(frozen=True, slots=True)
class MailboxSnapshot:
    """What a sync has read of a mailbox at the provider and not stored yet.

    listing: the folder tree.
    reading: how much of the folder tree was read.
    pages: for each folder whose change feed was read, its next page.
    changed_folder_ids: provider ids of folders whose counts changed since the last reading.
    postponed_folder_ids: folders whose change feeds a later sync reads.
    """

    listing: FolderListing
    reading: TreeReadingDepth
    pages: Mapping[FolderId, Page]
    changed_folder_ids: frozenset[RemoteId]
    postponed_folder_ids: frozenset[FolderId]


def read_mailbox(
    mailbox: Mailbox, known: Sequence[StoredFolder], reading: TreeReadingDepth, *, since_s: float
) -> MailboxSnapshot:
    """Read the folder tree at the provider, and the change feeds of folders after their full sync.

    In a large mailbox not every feed is read in each sync. A folder whose feed fails has no page in
    the result.

    known: the stored folders.
    reading: how much of the folder tree to read.
    since_s: seconds since the last sync of the mailbox.
    """
    listing = mailbox.provider.list_folders(sort_by_activity(known), reading)
    moved = folders_with_changed_counts(listing, known)
    synced = [each for each in known if each.selected and not each.position.full_sync_running]
    chosen = feeds_to_read(synced, moved, now=datetime.now(UTC), since_s=since_s)
    pages = _fetch_next_pages(mailbox, chosen)
    waiting = {each.ref.id for each in synced} - {each.ref.id for each in chosen}
    return MailboxSnapshot(listing, reading, pages, moved, frozenset(waiting))


def mirror_folders(
    mailbox: Mailbox, reading: TreeReadingDepth, listing: FolderListing | None = None
) -> FolderListing:
    """Update the stored folder tree and the provider's counts; return the listing.

    A folder that is only missing from the listing stays as it is.
    """
    run, folders = mailbox.run, mailbox.folders
    known = folders.folders(run.account_id)
    if listing is None:
        listing = mailbox.provider.list_folders(
            (*sort_by_activity(known), *folders.gone_folders(run.account_id)), reading
        )
    plan = diff_folders(listing, known)
    if plan.new_and_changed_folders or plan.gone_folder_ids:
        folders.save(run, plan.new_and_changed_folders, plan.gone_folder_ids)
        logger.info(
            "folders_mirrored",
            changed=len(plan.new_and_changed_folders),
            gone=len(plan.gone_folder_ids),
        )
    folders.save_remote_counts(run, listing.folders)
    if listing.is_whole and reading is not TreeReadingDepth.QUICK:
        folders.save_tree_reading(run, is_thorough=reading is TreeReadingDepth.THOROUGH)
    return listing


def delete_mail_of_unselected_folders(mailbox: Mailbox) -> None:
    """Delete the mail of folders that a person has deselected.

    A message may have moved from there to a mirrored folder without a reported change; the
    verification then finds it missing.
    """
    dropped = mailbox.mail.drop_unselected(mailbox.run)
    if dropped:
        logger.info("unselected_dropped", messages=dropped)


def sync_folders(mailbox: Mailbox, seen: MailboxSnapshot | None = None) -> tuple[FolderId, ...]:
    """Sync the folder tree and all small changes; return the folders with more pages, the largest
    first.

    The next pages of all known folders, and small new folders, are read in a few requests and
    stored immediately. An incremental sync, or the first sync of a small mailbox, then needs no
    state `sync-folder`.

    seen: snapshot that was read under the same lease, not read again. None: read the mailbox now.
    """
    run = mailbox.run
    asked, rounds = mailbox.runs.run_details(run)
    if seen is None:
        seen = _snapshot(mailbox, asked.sync_type)
    listing = mirror_folders(mailbox, seen.reading, seen.listing)
    if asked.sync_type is SyncType.FULL and rounds == 0:  # else new folders have appeared since
        mailbox.folders.restart_full_syncs(run, asked.folder_ids)
    mailbox.folders.retry_failed_feeds(run)
    delete_mail_of_unselected_folders(mailbox)
    folders = [each for each in mailbox.folders.folders(run.account_id) if each.selected]
    synced = [each for each in folders if not each.position.full_sync_running]
    done = _apply(mailbox, synced, seen.pages)
    mailbox.folders.compare_soon(run, _moved_silently(synced, seen))
    max_messages = mailbox.provider.limits.small_sync_messages
    for batch in batch_small_full_syncs(
        folders, listing.folders, page_size=DEFAULT_PAGE_SIZE, max_messages=max_messages
    ):
        pages = mailbox.provider.fetch_next_pages(
            [(each.ref, None) for each in batch], limit=DEFAULT_PAGE_SIZE
        )
        done |= _apply(mailbox, batch, pages)
    waiting = seen.postponed_folder_ids & {each.ref.id for each in synced}
    left = [each for each in folders if each.ref.id not in done | waiting]
    return sort_by_size(left, listing.folders)


def _snapshot(mailbox: Mailbox, sync_type: SyncType) -> MailboxSnapshot:
    """Read the mailbox: every feed in a sync that a person requested, feeds in turns in a scheduled
    one."""
    known = mailbox.folders.folders(mailbox.run.account_id)
    thorough = sync_type in (SyncType.INITIAL, SyncType.FULL) or not known
    reading = TreeReadingDepth.THOROUGH if thorough else TreeReadingDepth.WHOLE
    since_s = 0.0 if sync_type is SyncType.AUTO else float("inf")
    return read_mailbox(mailbox, known, reading, since_s=since_s)


def _moved_silently(folders: Sequence[StoredFolder], seen: MailboxSnapshot) -> Collection[FolderId]:
    """Return folders whose counts changed although their feeds reported no change."""
    return [
        folder.ref.id
        for folder in folders
        if folder.ref.remote_id in seen.changed_folder_ids
        and (page := seen.pages.get(folder.ref.id))
        and not page.changes
        and not page.has_more
    ]


def _fetch_next_pages(mailbox: Mailbox, folders: Sequence[StoredFolder]) -> Mapping[FolderId, Page]:
    positions = list(_positions(mailbox, folders))
    return (
        mailbox.provider.fetch_next_pages(positions, limit=DEFAULT_PAGE_SIZE) if positions else {}
    )


def _apply(
    mailbox: Mailbox, folders: Sequence[StoredFolder], pages: Mapping[FolderId, Page]
) -> frozenset[FolderId]:
    """Store the next page of each folder; return the folders that are up to date then.

    A folder that fails does not stop the others. `sync-folder` processes it alone, with smaller
    pages, or the workflow marks it as failed.
    """
    done = set()
    for folder in folders:
        page = pages.get(folder.ref.id)
        if page is None:
            continue
        try:
            counts = store_page(mailbox, folder, page)
        except (PageTooLarge, ProviderRejected, StoreRejected) as failure:
            cause = type(failure).__name__
            logger.warning("folder_left", folder_id=folder.ref.id, cause=cause)
            continue
        started_in_this_sync = folder.position.is_start_of_round
        if counts is not None and is_up_to_date(page, started_in_this_sync=started_in_this_sync):
            done.add(folder.ref.id)
    return frozenset(done)


def _positions(
    mailbox: Mailbox, folders: Sequence[StoredFolder]
) -> Iterator[tuple[FolderRef, Cursor]]:
    """Yield the cursors; folders that need a full sync are left to `sync-folder`."""
    for folder in folders:
        with suppress(CursorExpired):
            cursor = mailbox.cursor(folder)
            if cursor is not None:
                yield folder.ref, cursor
