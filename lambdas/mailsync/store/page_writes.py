"""Write pages of change feeds: rows, removals, quarantine, cursors and counts. All functions work
in the caller's transaction."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from mailsync.model import (
    FeedId,
    FeedRef,
    Page,
    PagePlan,
    RemoteId,
    RunRef,
    SealedSecret,
    StoredFeed,
    WrittenRowCounts,
)
from mailsync.store import page_rows, pending_messages, placement_changes, rows, state_rows
from mailsync.store.connection import Transaction
from mailsync.store.rows import JsonRow
from mailsync.store.sweep import hide_messages_unseen_by_full_sync


@dataclass(frozen=True, slots=True)
class PageWrite:
    """A page of changes that `MailStore.write_page` or `write_pages` writes.

    feed: the feed, at the position where the page was requested.
    planned_message_writes: the writes of the page's messages.
    next_cursor: encrypted position after the page.
    request_count: number of requests to the provider that the page cost.
    time_since_page_request_s: seconds since the page was requested, or a little more. 0 if the
        page was not requested just now.
    unchanged_message_ids: ids of messages whose stored version and flags equal those that the page
        reports. The messages are stored in the feed's folder.
    has_one_folder_per_message: whether a message of this provider is in one folder only.
    all_mail_folder_id: the provider's id of the folder that contains every message outside trash
        and junk. None: there is no such folder.
    """

    feed: StoredFeed
    page: Page
    planned_message_writes: PagePlan
    next_cursor: SealedSecret
    request_count: int
    time_since_page_request_s: float = 0.0
    unchanged_message_ids: Sequence[RemoteId] = ()
    has_one_folder_per_message: bool = True
    all_mail_folder_id: RemoteId | None = None

    @property
    def ends_full_sync(self) -> bool:
        """Return whether this is the last page of a full sync. Writing this page also hides the
        messages that the full sync did not see."""
        return self.feed.position.is_full_sync_running and not self.page.has_more

    @property
    def ids_of_messages_present_on_page(self) -> tuple[RemoteId, ...]:
        """Return the ids of the messages that the page names and does not report as removed."""
        plan = self.planned_message_writes
        return (
            *(each.remote_id for each in plan.upserts),
            *(each.remote_id for each in plan.state_upserts),
            *(each.remote_id for each in plan.placement_or_flag_changes),
            *(each.remote_id for each in plan.unreadable_messages),
            *self.unchanged_message_ids,
            *plan.message_ids_to_stamp_with_generation,
            *plan.pending_message_ids,
            *plan.possibly_gone_message_ids,
        )


def write_pages(
    tx: Transaction, run: RunRef, writes: Sequence[PageWrite], *, savepoints: bool
) -> tuple[WrittenRowCounts | None, ...]:
    """Write pages of several feeds, one page of each feed. Return the numbers of rows that each
    page wrote; None for a page that was not written because another worker has moved the cursor of
    the page's feed.

    The cursors of all feeds move first, in the order of the feeds. A second worker that writes the
    same pages at the same time waits for these cursors. It then finds them moved, and writes none
    of these pages.

    savepoints: whether to put messages that Postgres rejects into quarantine instead of failing.
    """
    moved = _advance(tx, writes)
    all_counts = tuple(
        _apply_page(tx, run, write, savepoints=savepoints) if write.feed.ref.id in moved else None
        for write in writes
    )
    _count_pages(
        tx,
        run,
        [
            _count_row(write, counts)
            for write, counts in zip(writes, all_counts, strict=True)
            # An empty page of an incremental sync is not counted.
            if counts and (write.page.changes or write.feed.position.is_full_sync_running)
        ],
    )
    return all_counts


def add_fetched_pending_messages_to_run_counts(
    tx: Transaction,
    run: RunRef,
    feed: FeedRef,
    counts: WrittenRowCounts,
    *,
    requests: int,
    has_more: bool,
) -> None:
    """Add to the run's counts the numbers of rows that were written for pending messages of a feed.

    requests: number of requests to the provider for these messages.
    has_more: whether pending messages of the feed remain.
    """
    _count_pages(tx, run, [_counts(feed, counts, requests, has_more=has_more)])


def add_messages_outside_pages_to_run_counts(
    tx: Transaction, run: RunRef, feed: FeedRef, counts: WrittenRowCounts
) -> None:
    """Add written messages to the counts of the run and of the feed's folder. The messages were
    fetched by one request that was not a page of the feed."""
    _count_pages(tx, run, [_counts(feed, counts, 1, has_more=True) | {"is_shown": True}])


def _advance(tx: Transaction, writes: Sequence[PageWrite]) -> frozenset[FeedId]:
    """Move the cursors of the feeds; return the ids of the moved feeds. A feed is not moved if its
    cursor is no longer at the position where the page was requested."""
    pages = [
        {
            "feed_id": write.feed.ref.id,
            "generation": write.feed.position.full_sync_generation,
            "cursor": _base64(write.feed.position.sealed_cursor),
            "next_key_id": write.next_cursor.key_id,
            "next_cursor": _base64(write.next_cursor),
            "has_more": write.page.has_more,
            "is_start_of_round": write.feed.position.is_next_page_first_of_round,
            "page_request_age_s": write.time_since_page_request_s,
        }
        for write in writes
    ]
    found = tx.run("advance_cursors", pages=rows.to_jsonb(pages))
    return frozenset(FeedId(feed_id) for (feed_id,) in found)


def _base64(cursor: SealedSecret | None) -> str | None:
    return base64.b64encode(cursor.sealed_bytes).decode() if cursor else None


def _apply_page(
    tx: Transaction, run: RunRef, write: PageWrite, *, savepoints: bool
) -> WrittenRowCounts:
    ref, position, plan = write.feed.ref, write.feed.position, write.planned_message_writes
    changed_ids = _ids_in_changed_folders(write)
    left = placement_changes.list_ids_of_folders_with_messages(tx, run, changed_ids)
    if prefix := write.page.invalidated_message_id_prefix:
        tx.run("declare_keys_void", account_id=run.account_id, prefix=prefix)
    counts = page_rows.save_messages(
        tx,
        run,
        ref.folder,
        plan.upserts,
        savepoints=savepoints,
        is_first_full_sync=position.full_sync_generation == 1 and position.is_full_sync_running,
    )
    counts += page_rows.mark_messages_seen_by_full_sync(
        tx, run, (*write.unchanged_message_ids, *plan.message_ids_to_stamp_with_generation)
    )
    counts += state_rows.save_message_flags_and_placements(
        tx, run, ref.folder, plan.state_upserts, is_only_folder=write.has_one_folder_per_message
    )
    counts += placement_changes.save_placement_changes(
        tx, run, plan.placement_or_flag_changes, write.all_mail_folder_id
    )
    counts += page_rows.hide_removed_messages(tx, run, ref, plan)
    counts += page_rows.quarantine_messages(tx, run, ref.folder, plan.unreadable_messages)
    if not ref.folder:
        pending_messages.remove_fetched_messages_from_pending(tx, ref, plan)
        pending_messages.mark_pending_messages_reported_removed(tx, write.feed, write.page, plan)
    is_news = not position.is_full_sync_running
    counts += pending_messages.save_pending_messages(tx, run, ref, plan, is_news=is_news)
    counts += pending_messages.record_pending_messages_reported_gone(tx, run, ref, plan)
    if write.ends_full_sync:
        counts += hide_messages_unseen_by_full_sync(
            tx, run, write.feed, is_listing=write.page.has_only_message_ids
        )
    placement_changes.schedule_reading_of_remote_counts(tx, run, changed_ids, left)
    return counts


def _ids_in_changed_folders(write: PageWrite) -> tuple[RemoteId, ...]:
    """Return the ids of the messages whose folders may change with this page. Return () for a full
    sync, after which every folder is counted, and for a feed of one folder."""
    if write.feed.ref.folder or write.feed.position.is_full_sync_running:
        return ()
    return placement_changes.list_ids_of_messages_changed_by_page(write.planned_message_writes)


def _count_row(write: PageWrite, counts: WrittenRowCounts) -> JsonRow:
    """Return the values of a page for the statement `count_pages`. The value `is_shown` says
    whether the statement also updates the message count of the page's folder."""
    is_news = not write.feed.position.is_full_sync_running
    row = _counts(write.feed.ref, counts, write.request_count, has_more=write.page.has_more)
    return {
        **row,
        "is_shown": bool(counts.inserted or counts.removed or is_news),
        "is_active": is_news,
    }


def _counts(feed: FeedRef, counts: WrittenRowCounts, requests: int, *, has_more: bool) -> JsonRow:
    return {
        "folder_id": feed.folder.id if feed.folder else None,
        "requests": requests,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "removed": counts.removed,
        "quarantined": counts.quarantined,
        "has_more": has_more,
        "is_shown": False,
        "is_active": False,
    }


def _count_pages(tx: Transaction, run: RunRef, pages: Sequence[JsonRow]) -> None:
    if pages:
        tx.run("count_pages", run_id=run.run_id, pages=rows.to_jsonb(pages))
