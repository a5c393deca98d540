"""Write messages. Every method is one transaction; every writing method checks the run's lease
first.

A page may be written twice, because Step Functions retries, and in two processes at the same time,
because a timed-out function may still be running. The second write changes nothing: only the worker
that moves the cursor away from the position at which the page was requested can write the page.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from mailsync.decisions.verify import StoredMessageState
from mailsync.metrics import MESSAGES_STORED, add_to_metric
from mailsync.model import (
    FeedRef,
    FolderId,
    FolderRef,
    ListedMessage,
    Message,
    PagePlan,
    PlacementOrFlagChange,
    RemoteId,
    RunRef,
    UnreadableMessage,
    WrittenRowCounts,
)
from mailsync.store import page_rows, page_writes, pending_messages, placement_changes, rows
from mailsync.store.connection import Database
from mailsync.store.conversations import any_message_needs_conversation_id
from mailsync.store.fence import FencedTransaction
from mailsync.store.page_writes import PageWrite
from mailsync.store.placement_changes import ClassifiedPlacementChanges

MESSAGES_PER_DELETE_BATCH = 2000
"""The number of messages that one query selects for deletion. Deleting them together with their
bodies takes about a second."""


class MailStore:
    """Reads and writes messages. Raises StoreUnavailable and StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remove_batch_of_stored_unmirrored_mail(self, run: RunRef) -> int:
        """Process the next messages in folders that are not mirrored. Delete messages that are only
        in unselected folders. Take messages out of folders that no longer exist at the provider.
        Return the number of processed messages; 0 if no such message is left. The number is at most
        twice MESSAGES_PER_DELETE_BATCH, because two queries select messages."""
        with FencedTransaction(self._database, run) as tx:
            locked = tx.run(
                "lock_dropped", account_id=run.account_id, limit=MESSAGES_PER_DELETE_BATCH
            )
            if locked:
                email_ids = rows.to_jsonb([email_id for (email_id,) in locked])
                tx.run("drop_unselected", email_ids=email_ids)
                dropped = tx.run("dropped_folder_ids", account_id=run.account_id)
                page_rows.end_placements_of_locked_messages(
                    tx, locked, [each for (each,) in dropped]
                )
        return len(locked)

    def write_page(self, run: RunRef, write: PageWrite) -> WrittenRowCounts | None:
        """Write a page of changes in one transaction: rows, removals, quarantine and cursor.

        The last page of a full sync also hides the messages that no page of the full sync named.
        Returns None, without writing anything, if another worker has moved the cursor. The caller
        must then read the feed's position again.

        Raises:
            LeaseLost: another execution holds the lease of the mailbox.
        """
        [counts] = page_rows.write_then_retry_with_savepoints(
            lambda savepoints: self._apply_pages(run, [write], savepoints)
        )
        _count_stored(counts)
        return counts

    def write_pages(
        self, run: RunRef, writes: Sequence[PageWrite]
    ) -> tuple[WrittenRowCounts | None, ...]:
        """Write one page of each of several feeds in one transaction. Return the numbers of written
        rows of each page; None for a page that was not written because another worker has moved the
        cursor.

        This costs fewer round trips than calls of `write_page`: the statements for cursors and
        counts are sent once, not once for each page.

        Raises:
            LeaseLost: another execution holds the lease of the mailbox.
            StoreRejected: Postgres rejects a statement; nothing was written. The caller can then
                write each page with `write_page`, which puts a rejected message into quarantine.
        """
        all_counts = self._apply_pages(run, writes, savepoints=False)
        for counts in all_counts:
            _count_stored(counts)
        return all_counts

    def write_fetched_messages(
        self,
        run: RunRef,
        folder: FolderRef | None,
        messages: Sequence[Message],
        unreadable: Sequence[UnreadableMessage] = (),
    ) -> WrittenRowCounts:
        """Write messages that were fetched by id, and place each message in its mirrored folders.

        folder: folder for messages that name no stored folder. None: every message must name a
            stored folder, and every unreadable message must be in quarantine already.
        """

        def write(savepoints: bool) -> WrittenRowCounts:
            with FencedTransaction(
                self._database, run, is_exclusive=any_message_needs_conversation_id(messages)
            ) as tx:
                counts = page_rows.save_messages(tx, run, folder, messages, savepoints=savepoints)
                return counts + page_rows.quarantine_messages(tx, run, folder, unreadable)

        counts = page_rows.write_then_retry_with_savepoints(write)
        _count_stored(counts)
        return counts

    def write_fetched_pending_messages(
        self,
        run: RunRef,
        feed: FeedRef,
        plan: PagePlan,
        fetched: Sequence[RemoteId],
        *,
        request_count: int = 1,
        has_more: bool = False,
    ) -> WrittenRowCounts:
        """Write pending messages of a feed after their contents were fetched by id. The written
        messages are no longer pending.

        plan: the writes of these messages. `PagePlan.possibly_gone_message_ids` has the
            messages that the provider reports as gone without certainty.
        fetched: the ids of all messages of this call that the provider answered for, except those
            in `PagePlan.possibly_gone_message_ids`.
        request_count: number of requests to the provider that fetched the messages.
        has_more: whether pending messages of the feed remain.
        """

        def write(savepoints: bool) -> WrittenRowCounts:
            with FencedTransaction(
                self._database, run, is_exclusive=any_message_needs_conversation_id(plan.upserts)
            ) as tx:
                counts = page_rows.save_messages(
                    tx, run, feed.folder, plan.upserts, savepoints=savepoints
                )
                counts += page_rows.hide_removed_messages(tx, run, feed, plan)
                counts += page_rows.quarantine_messages(
                    tx, run, feed.folder, plan.unreadable_messages
                )
                tx.run("drop_pending", feed_id=feed.id, ids=rows.to_jsonb(list(fetched)))
                counts += pending_messages.record_pending_messages_reported_gone(
                    tx, run, feed, plan
                )
                page_writes.add_fetched_pending_messages_to_run_counts(
                    tx, run, feed, counts, requests=request_count, has_more=has_more
                )
                return counts

        counts = page_rows.write_then_retry_with_savepoints(write)
        _count_stored(counts)
        return counts

    def save_listed_message_versions(self, run: RunRef, entries: Iterable[ListedMessage]) -> None:
        """Store the versions that the provider lists for these messages. Their rows have no version
        yet, and otherwise equal the listed state."""
        versions = [
            {"message_id": each.remote_id, "version": each.remote_version} for each in entries
        ]
        with FencedTransaction(self._database, run) as tx:
            tx.run("save_versions", account_id=run.account_id, versions=rows.to_jsonb(versions))

    def stored_message_states(
        self, run: RunRef, folder_id: FolderId, listed: Collection[RemoteId]
    ) -> dict[RemoteId, StoredMessageState]:
        """Return the stored states of messages by message id, for a comparison with the provider's
        listing of a folder.

        The result has every message of the folder, and every hidden message or message of another
        folder whose id is in `listed`.
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

    def find_stored_message_ids(self, run: RunRef, ids: Sequence[RemoteId]) -> frozenset[RemoteId]:
        """Return the subset of these message ids that are stored. Hidden messages count as
        stored."""
        if not ids:
            return frozenset()
        with self._database.transaction() as tx:
            found = tx.run("stored_ids", account_id=run.account_id, ids=rows.to_jsonb(list(ids)))
        return frozenset(RemoteId(each) for (each,) in found)

    def classify_changes_by_stored_state(
        self,
        run: RunRef,
        feed: FeedRef,
        changes: Sequence[PlacementOrFlagChange],
        all_mail: RemoteId | None,
    ) -> ClassifiedPlacementChanges:
        """Classify the messages of placement changes: which are stored and not hidden, which are
        pending, and which enter a mirrored folder. A placement is a message in a folder.

        all_mail: the folder of all mail (`ProviderTraits.all_mail_folder_id`). None: there is none.
        """
        if not changes:
            return ClassifiedPlacementChanges()
        with self._database.transaction() as tx:
            return placement_changes.classify_placement_changes(tx, run, feed.id, changes, all_mail)

    def save_placement_changes(
        self, run: RunRef, changes: Sequence[PlacementOrFlagChange], all_mail: RemoteId | None
    ) -> None:
        """Apply changes of placements (which folders a message is in) and of flags to stored
        messages. The provider's list of a folder has shown the changes.

        all_mail: the folder of all mail (`ProviderTraits.all_mail_folder_id`). A message is placed
            in this folder unless the message is in trash or junk. None: there is no such folder, or
            the changes themselves say whether a message is in it.
        """
        if changes:
            with FencedTransaction(self._database, run) as tx:
                placement_changes.save_placement_changes(tx, run, changes, all_mail)

    def ids_of_messages_in_any_folder(self, run: RunRef) -> frozenset[RemoteId]:
        """Return the ids of all stored messages that are in a folder."""
        with self._database.transaction() as tx:
            found = tx.run("placed_ids", account_id=run.account_id)
        return frozenset(RemoteId(each) for (each,) in found)

    def find_unchanged_message_ids(
        self, run: RunRef, folder_id: FolderId, entries: Sequence[ListedMessage]
    ) -> tuple[RemoteId, ...]:
        """Return the ids of the listed messages whose stored state in this folder equals the listed
        state."""
        ids = rows.to_jsonb([entry.remote_id for entry in entries])
        with self._database.transaction() as tx:
            found = tx.run("entries_of", account_id=run.account_id, folder_id=folder_id, ids=ids)
        stored = {row[0]: _entry(row) for row in found}
        return tuple(
            entry.remote_id
            for entry in entries
            if (row := stored.get(entry.remote_id))
            and row.is_placed_in_compared_folder
            and row.is_equal_to_listed_message(entry)
        )

    def _apply_pages(
        self, run: RunRef, writes: Sequence[PageWrite], savepoints: bool
    ) -> tuple[WrittenRowCounts | None, ...]:
        is_exclusive = any(
            any_message_needs_conversation_id(write.planned_message_writes.upserts)
            for write in writes
        )
        with FencedTransaction(self._database, run, is_exclusive=is_exclusive) as tx:
            return page_writes.write_pages(tx, run, writes, savepoints=savepoints)


def _entry(row: Sequence[Any]) -> StoredMessageState:
    """Return the state in a row that the query `folder_entries` or `entries_of` returned."""
    return StoredMessageState(*row[1:])


def _count_stored(counts: WrittenRowCounts | None) -> None:
    if counts and (stored := counts.inserted + counts.updated):
        add_to_metric(MESSAGES_STORED, stored)
