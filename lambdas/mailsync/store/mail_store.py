"""Write messages. Every method is one transaction; every writing method checks the run's lease
first.

A page may be written twice, because Step Functions retries, and in two processes at the same time,
because a timed-out function may still be running. The second write changes nothing: only the worker
that moves the cursor away from the position at which the page was requested can write the page.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mailsync.decisions.verify import StoredMessageState
from mailsync.metrics import MESSAGES_STORED, count_metric
from mailsync.model import (
    FeedRef,
    FolderId,
    FolderRef,
    ListedMessage,
    Message,
    Page,
    PagePlan,
    PlacementChange,
    RemoteId,
    RunRef,
    SealedSecret,
    StoredFeed,
    UnreadableMessage,
    WrittenRowCounts,
)
from mailsync.store import page_rows, pending_messages, placement_changes, rows, state_rows
from mailsync.store.connection import Database, Transaction
from mailsync.store.conversations import need_conversations
from mailsync.store.fence import FencedTransaction
from mailsync.store.placement_changes import SortedChanges

MESSAGES_PER_DELETE_BATCH = 2000
"""The number of messages that one transaction deletes together with their bodies: about a second of
work."""


@dataclass(frozen=True, slots=True)
class PageWrite:
    """A page of changes that `MailStore.write_page` writes.

    feed: the feed, at the position where the page was requested.
    plan: the writes of the page's messages.
    next_cursor: encrypted position after the page.
    request_count: number of requests to the provider that the page cost.
    requested_s_ago: seconds since the page was requested, at least.
    unchanged_ids: ids of messages whose reported state is already stored.
    is_message_in_one_folder: whether a message of this provider is in one folder only.
    folder_of_all_mail: see `ProviderTraits`.
    """

    feed: StoredFeed
    page: Page
    plan: PagePlan
    next_cursor: SealedSecret
    request_count: int
    requested_s_ago: float = 0.0
    unchanged_ids: Sequence[RemoteId] = ()
    is_message_in_one_folder: bool = True
    folder_of_all_mail: RemoteId | None = None


class MailStore:
    """Reads and writes messages. Raises StoreUnavailable and StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def delete_mail_of_unselected_folders(self, run: RunRef) -> int:
        """Delete the mail of folders that are not mirrored, in batches; return the number of
        rows."""
        dropped = 0
        while True:
            with FencedTransaction(self._database, run) as tx:
                locked = tx.run(
                    "lock_unselected", account_id=run.account_id, limit=MESSAGES_PER_DELETE_BATCH
                )
                if not locked:
                    return dropped
                email_ids = rows.to_jsonb([email_id for (email_id,) in locked])
                dropped += tx.run_returning_row_count("drop_unselected", email_ids=email_ids)
                unselected = tx.run("unselected_ids", account_id=run.account_id)
                page_rows.end_locked_placements(tx, locked, [each for (each,) in unselected])
            if len(locked) < MESSAGES_PER_DELETE_BATCH:
                return dropped

    def write_page(self, run: RunRef, write: PageWrite) -> WrittenRowCounts | None:
        """Write a page of changes in one transaction: rows, removals, quarantine and cursor.

        After the last page of a full sync, the messages that no page of the full sync contained are
        hidden. Returns None if another worker has moved the cursor: nothing was written, and the
        caller must read the position again.

        Raises:
            LeaseLost: another execution holds the lease of the mailbox.
        """
        counts = page_rows.retry_with_savepoints(
            lambda savepoints: self._apply_page(run, write, savepoints)
        )
        _count_stored(counts)
        return counts

    def write_fetched_messages(
        self,
        run: RunRef,
        folder: FolderRef | None,
        messages: Sequence[Message],
        unreadable: Sequence[UnreadableMessage] = (),
    ) -> WrittenRowCounts:
        """Write messages that were fetched by id, each into those of its folders that are mirrored.

        folder: folder for messages without a known folder. None: every message must name a stored
            folder, and unreadable ones must be in quarantine already.
        """

        def write(savepoints: bool) -> WrittenRowCounts:
            with FencedTransaction(
                self._database, run, is_exclusive=need_conversations(messages)
            ) as tx:
                counts = page_rows.save_messages(tx, run, folder, messages, savepoints=savepoints)
                return counts + page_rows.quarantine_messages(tx, run, folder, unreadable)

        counts = page_rows.retry_with_savepoints(write)
        _count_stored(counts)
        return counts

    def write_pending_messages(
        self,
        run: RunRef,
        feed: FeedRef,
        plan: PagePlan,
        fetched: Sequence[RemoteId],
        *,
        request_count: int = 1,
        has_more: bool = False,
    ) -> WrittenRowCounts:
        """Write pending messages of a feed whose contents were fetched by id, and delete the record
        that they are pending.

        plan: the writes of these messages.
        fetched: the ids of these messages, except for those that the provider reports as gone and
            that is not certain.
        request_count: number of requests to the provider that they cost.
        has_more: whether pending messages of the feed remain.
        """

        def write(savepoints: bool) -> WrittenRowCounts:
            with FencedTransaction(
                self._database, run, is_exclusive=need_conversations(plan.upserts)
            ) as tx:
                counts = page_rows.save_messages(
                    tx, run, feed.folder, plan.upserts, savepoints=savepoints
                )
                counts += page_rows.hide_removed_messages(tx, run, feed, plan)
                counts += page_rows.quarantine_messages(
                    tx, run, feed.folder, plan.unreadable_messages
                )
                tx.run("drop_pending", feed_id=feed.id, ids=rows.to_jsonb(list(fetched)))
                counts += pending_messages.note_missing(tx, run, feed, plan)
                _count_page(tx, run, feed, counts, requests=request_count, has_more=has_more)
                return counts

        counts = page_rows.retry_with_savepoints(write)
        _count_stored(counts)
        return counts

    def save_message_versions(self, run: RunRef, entries: Iterable[ListedMessage]) -> None:
        """Store the listed versions of messages whose rows have no version and otherwise equal
        their listed state."""
        versions = [{"message_id": each.remote_id, "version": each.version} for each in entries]
        with FencedTransaction(self._database, run) as tx:
            tx.run("save_versions", account_id=run.account_id, versions=rows.to_jsonb(versions))

    def stored_message_states(
        self, run: RunRef, folder_id: FolderId, listed: Collection[RemoteId]
    ) -> dict[RemoteId, StoredMessageState]:
        """Return the stored states of messages by message id, for a comparison with the provider's
        listing of a folder.

        The result has every row of the folder including hidden ones, and the rows of the ids in
        `listed` in other folders.
        """
        with self._database.transaction() as tx:
            found = tx.run("folder_entries", account_id=run.account_id, folder_id=folder_id)
            entries = {RemoteId(row[0]): _entry(row) for row in found}
            others = [remote_id for remote_id in listed if remote_id not in entries]
            found = tx.run(
                "entries_of",
                account_id=run.account_id,
                folder_id=folder_id,
                ids=rows.to_jsonb(others),
            )
        return entries | {RemoteId(row[0]): _entry(row) for row in found}

    def stored_ids(self, run: RunRef, ids: Sequence[RemoteId]) -> frozenset[RemoteId]:
        """Return the ids of those of these messages that are stored, hidden ones included."""
        if not ids:
            return frozenset()
        with self._database.transaction() as tx:
            found = tx.run("stored_ids", account_id=run.account_id, ids=rows.to_jsonb(list(ids)))
        return frozenset(RemoteId(each) for (each,) in found)

    def sort_placement_changes(
        self,
        run: RunRef,
        feed: FeedRef,
        changes: Sequence[PlacementChange],
        all_mail: RemoteId | None,
    ) -> SortedChanges:
        """Return what is stored of the messages that changes of placements name.

        all_mail: the folder of all mail (`ProviderTraits.folder_of_all_mail`).
        """
        if not changes:
            return SortedChanges()
        with self._database.transaction() as tx:
            return placement_changes.sort_placement_changes(tx, run, feed.id, changes, all_mail)

    def save_placement_changes(
        self, run: RunRef, changes: Sequence[PlacementChange], all_mail: RemoteId | None
    ) -> None:
        """Apply changes of placements and flags to stored messages, as the provider's list of a
        folder shows them.

        all_mail: the folder of all mail (`ProviderTraits.folder_of_all_mail`), in which the
            messages are placed by their other placements. None: by the changes, as in any folder.
        """
        if changes:
            with FencedTransaction(self._database, run) as tx:
                placement_changes.save_placement_changes(tx, run, changes, all_mail)

    def ids_in_folders(self, run: RunRef) -> frozenset[RemoteId]:
        """Return the ids of all stored messages that are in a folder."""
        with self._database.transaction() as tx:
            found = tx.run("placed_ids", account_id=run.account_id)
        return frozenset(RemoteId(each) for (each,) in found)

    def ids_of_unchanged_messages(
        self, run: RunRef, folder_id: FolderId, entries: Sequence[ListedMessage]
    ) -> tuple[RemoteId, ...]:
        """Return the ids of those messages in `entries` that are stored in this folder with the
        state that the entry lists."""
        ids = rows.to_jsonb([entry.remote_id for entry in entries])
        with self._database.transaction() as tx:
            found = tx.run("entries_of", account_id=run.account_id, folder_id=folder_id, ids=ids)
        stored = {row[0]: _entry(row) for row in found}
        return tuple(
            entry.remote_id
            for entry in entries
            if (row := stored.get(entry.remote_id))
            and row.is_in_listed_folder
            and row.equals_listed_message(entry)
        )

    def _apply_page(
        self, run: RunRef, write: PageWrite, savepoints: bool
    ) -> WrittenRowCounts | None:
        ref, position, plan = write.feed.ref, write.feed.position, write.plan
        with FencedTransaction(
            self._database, run, is_exclusive=need_conversations(plan.upserts)
        ) as tx:
            if not self._advance(tx, write):
                return None
            changed_ids = _ids_in_changed_folders(write)
            left = placement_changes.folders_of_messages(tx, run, changed_ids)
            if prefix := write.page.void_id_prefix:
                tx.run("declare_keys_void", account_id=run.account_id, prefix=prefix)
            counts = page_rows.save_messages(
                tx,
                run,
                ref.folder,
                plan.upserts,
                savepoints=savepoints,
                is_first_full_sync=position.generation == 1 and position.is_full_sync_running,
            )
            counts += page_rows.mark_seen_by_full_sync(
                tx, run, (*write.unchanged_ids, *plan.seen_ids)
            )
            counts += state_rows.save_states(
                tx,
                run,
                ref.folder,
                plan.state_changes,
                is_only_folder=write.is_message_in_one_folder,
            )
            counts += placement_changes.save_placement_changes(
                tx, run, plan.placement_changes, write.folder_of_all_mail
            )
            counts += page_rows.hide_removed_messages(tx, run, ref, plan)
            counts += page_rows.quarantine_messages(tx, run, ref.folder, plan.unreadable_messages)
            if not ref.folder:
                pending_messages.drop_fetched_from_pending(tx, ref, plan)
                pending_messages.note_removed_pending(tx, write.feed, write.page, plan)
            is_news = not position.is_full_sync_running
            counts += pending_messages.leave_pending(tx, run, ref, plan, is_news=is_news)
            counts += pending_messages.note_missing(tx, run, ref, plan)
            if position.is_full_sync_running and not write.page.has_more:
                counts += page_rows.hide_unseen_by_full_sync(
                    tx, run, write.feed, is_listing=write.page.is_listing
                )
            placement_changes.want_counts(tx, run, changed_ids, left)
            _count(tx, run, write, counts)
        return counts

    @staticmethod
    def _advance(tx: Transaction, write: PageWrite) -> bool:
        position = write.feed.position
        return bool(
            tx.run(
                "advance_cursor",
                feed_id=write.feed.ref.id,
                generation=position.generation,
                cursor=position.cursor.sealed_bytes if position.cursor else None,
                next_key_id=write.next_cursor.key_id,
                next_cursor=write.next_cursor.sealed_bytes,
                has_more=write.page.has_more,
                is_start_of_round=position.is_start_of_round,
                requested_s_ago=write.requested_s_ago,
            )
        )


def _ids_in_changed_folders(write: PageWrite) -> tuple[RemoteId, ...]:
    """Return the messages whose folders change with this page. Empty for a full sync, after which
    every folder is counted, and for the feed of a folder."""
    if write.feed.ref.folder or write.feed.position.is_full_sync_running:
        return ()
    return placement_changes.ids_of_plan(write.plan)


def _entry(row: Sequence[Any]) -> StoredMessageState:
    """Return the entry in a row of `folder_entries` or `entries_of`."""
    return StoredMessageState(*row[1:])


def _count(tx: Transaction, run: RunRef, write: PageWrite, counts: WrittenRowCounts) -> None:
    full_sync_running = write.feed.position.is_full_sync_running
    if not (write.page.changes or full_sync_running):
        return  # an empty page is not worth a row
    folder_id = write.feed.ref.folder.id if write.feed.ref.folder else None
    if folder_id and (counts.inserted or counts.removed or not full_sync_running):
        tx.run(
            "add_progress",
            folder_id=folder_id,
            added=counts.inserted - counts.removed,
            is_active=not full_sync_running,
        )
    _count_page(
        tx,
        run,
        write.feed.ref,
        counts,
        requests=write.request_count,
        has_more=write.page.has_more,
    )


def _count_page(
    tx: Transaction,
    run: RunRef,
    feed: FeedRef,
    counts: WrittenRowCounts,
    *,
    requests: int,
    has_more: bool,
) -> None:
    tx.run(
        "count_page",
        run_id=run.run_id,
        folder_id=feed.folder.id if feed.folder else None,
        requests=requests,
        inserted=counts.inserted,
        updated=counts.updated,
        unchanged=counts.unchanged,
        removed=counts.removed,
        quarantined=counts.quarantined,
        has_more=has_more,
    )


def _count_stored(counts: WrittenRowCounts | None) -> None:
    if counts and (stored := counts.inserted + counts.updated):
        count_metric(MESSAGES_STORED, stored)
