"""Store change feeds, each with the position up to which the sync has read the feed. Every method
is one transaction; every writing method checks the run's lease first.

Raises StoreUnavailable and StoreRejected; writing methods also raise LeaseLost.
"""

from collections.abc import Sequence
from typing import Any

from mailsync.errors import FolderGone
from mailsync.model import (
    AccountId,
    FeedId,
    FeedPosition,
    FeedRef,
    FolderId,
    FolderRef,
    RemoteId,
    RunRef,
    SealedSecret,
    StoredFeed,
)
from mailsync.store import rows
from mailsync.store.connection import Database
from mailsync.store.fence import FencedTransaction


class FeedStore:
    """Reads and writes the change feeds of accounts, with their positions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_feed(self, account_id: AccountId, feed_id: FeedId) -> StoredFeed:
        """Return the account's change feed with this id.

        Raises:
            FolderGone: the account has no such feed, or its folder no longer exists at the
                provider.
        """
        with self._database.transaction() as tx:
            found = tx.run("read_feed", account_id=account_id, feed_id=feed_id)
        if not found or found[0][3]:
            raise FolderGone(f"The folder of feed {feed_id} no longer exists.")
        number, folder_id, remote_id, _, *position, read_at, has_pending, wait_s, has_slices = (
            found[0]
        )
        folder = FolderRef(FolderId(folder_id), RemoteId(remote_id)) if folder_id else None
        ref, place = FeedRef(FeedId(number), folder), columns_to_feed_position(position)
        return StoredFeed(ref, place, read_at, has_pending, wait_s, has_slices)

    def next_pending_message_ids(self, feed_id: FeedId, limit: int) -> dict[RemoteId, str | None]:
        """Return the ids of the next pending messages of a feed, at most `limit`, in the order in
        which to fetch them, and the group of each message.

        A message is pending if a page has named it and its contents are still to be fetched. A
        group is a set of messages that the provider fetches more cheaply together, such as a thread
        (`PlacementOrFlagChange.conversation_id`). None: the message is in no group. Messages that
        must not be requested yet after a failed request, or that a worker has claimed, are left
        out.
        """
        with self._database.transaction() as tx:
            found = tx.run("pending_ids", feed_id=feed_id, limit=limit)
        return {RemoteId(each): group for each, group in found}

    def feed_id_of_folder(self, account_id: AccountId, folder_id: FolderId) -> FeedId:
        """Return the id of the change feed that reports the changes of a folder.

        Raises:
            FolderGone: the account has no such folder.
        """
        with self._database.transaction() as tx:
            found = tx.run("feed_of_folder", account_id=account_id, folder_id=folder_id)
        if not found:
            raise FolderGone(f"Folder {folder_id} no longer exists.")
        return FeedId(found[0][0])

    def restart_full_sync(
        self, run: RunRef, feed_id: FeedId, *, fallback: int | None = None
    ) -> int:
        """Delete the feed's cursor and start a new full sync of the feed. Return how many full
        syncs of the feed this run has started in this way.

        fallback: index of the kind of feed to read from now on. A provider may offer several kinds
            of feed for one folder or mailbox: 0 is the kind that is tried first, and the index
            grows with each kind that fails. None: keep the stored index.
        """
        with FencedTransaction(self._database, run) as tx:
            tx.run(
                "restart_full_sync", account_id=run.account_id, feed_id=feed_id, fallback=fallback
            )
            counted = tx.run("count_reset", run_id=run.run_id, feed_id=feed_id)
        return int(counted[0][0]) if counted else 0

    def switch_fallback_feeds_to_preferred_kind(self, run: RunRef) -> None:
        """Return to the kind of feed that the provider's code tries first: start a full sync with
        this kind in each change feed for which a kind failed more than a day ago and another kind
        has been read since then.

        A feed does not change during a round, and while a folder of the feed has a message in
        quarantine with the cause `unanswered`.
        """
        with FencedTransaction(self._database, run) as tx:
            tx.run("retry_feeds", account_id=run.account_id)

    def restart_full_syncs(self, run: RunRef, folder_ids: Sequence[FolderId]) -> None:
        """Restart the full sync of the feeds of these folders, or of all feeds of the account if
        `folder_ids` is empty. The full sync reads the kind of feed that is tried first (index 0).
        Further calls in the same run change nothing."""
        named = rows.to_jsonb(folder_ids) if folder_ids else None
        with FencedTransaction(self._database, run) as tx:
            tx.run("restart_full_syncs", account_id=run.account_id, run_id=run.run_id, ids=named)

    def save_page_size(self, run: RunRef, feed_id: FeedId, page_size: int) -> None:
        with FencedTransaction(self._database, run) as tx:
            tx.run(
                "save_page_size", account_id=run.account_id, feed_id=feed_id, page_size=page_size
            )


def columns_to_feed_position(columns: Sequence[Any]) -> FeedPosition:
    """Return the position of a change feed from the columns `cursor_key_id` to `fallback` of a
    row."""
    key_id, cursor, generation, full_sync_running, page_size, mid_round, fallback = columns
    return FeedPosition(
        sealed_cursor=SealedSecret(key_id, cursor) if cursor is not None else None,
        full_sync_generation=generation,
        is_full_sync_running=full_sync_running,
        messages_per_page=page_size,
        has_unfinished_round=mid_round,
        feed_kind_index=fallback,
    )
