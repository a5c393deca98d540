"""Change feeds, and how far the sync has read each. Every method is one transaction, and every
writer passes the fence.

Raises StoreUnavailable and StoreRejected; writers also raise LeaseLost.
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
    """Reads and writes change feeds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_feed(self, account_id: AccountId, feed_id: FeedId) -> StoredFeed:
        """Return one feed.

        Raises:
            FolderGone: the account has no such feed, or its folder no longer exists at the
                provider.
        """
        with self._database.transaction() as tx:
            found = tx.run("find_feed", account_id=account_id, feed_id=feed_id)
        if not found or found[0][3]:
            raise FolderGone(f"The folder of feed {feed_id} no longer exists.")
        number, folder_id, remote_id, _, *position, read_at, has_pending = found[0]
        folder = FolderRef(FolderId(folder_id), RemoteId(remote_id)) if folder_id else None
        return StoredFeed(
            FeedRef(FeedId(number), folder), read_position(position), read_at, has_pending
        )

    def pending_ids(self, feed_id: FeedId, limit: int) -> tuple[RemoteId, ...]:
        """Return the messages that pages of the feed named and that are to be fetched next."""
        with self._database.transaction() as tx:
            found = tx.run("pending_ids", feed_id=feed_id, limit=limit)
        return tuple(RemoteId(each) for (each,) in found)

    def feed_id_of_folder(self, account_id: AccountId, folder_id: FolderId) -> FeedId:
        """Return the feed that reports the changes of a folder.

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
    ) -> None:
        """Delete the feed's cursor and start its next full sync.

        fallback: number of the provider's feeds that have failed for the folder or mailbox. None:
            keep the stored number.
        """
        with FencedTransaction(self._database, run) as tx:
            tx.run(
                "restart_full_sync", account_id=run.account_id, feed_id=feed_id, fallback=fallback
            )
            tx.run("count_reset", run_id=run.run_id, feed_id=feed_id)

    def retry_failed_feeds(self, run: RunRef) -> None:
        """Restart the provider's first feed where it failed at least a day ago."""
        with FencedTransaction(self._database, run) as tx:
            tx.run("retry_feeds", account_id=run.account_id)

    def restart_full_syncs(self, run: RunRef, folder_ids: Sequence[FolderId]) -> None:
        """Restart the full sync of the feeds of these folders, or of all feeds if no folder is
        named; once per run."""
        named = rows.to_jsonb(folder_ids) if folder_ids else None
        with FencedTransaction(self._database, run) as tx:
            tx.run("restart_full_syncs", account_id=run.account_id, run_id=run.run_id, ids=named)

    def save_page_size(self, run: RunRef, feed_id: FeedId, page_size: int) -> None:
        with FencedTransaction(self._database, run) as tx:
            tx.run(
                "save_page_size", account_id=run.account_id, feed_id=feed_id, page_size=page_size
            )


def read_position(columns: Sequence[Any]) -> FeedPosition:
    """Return the position in the columns from `cursor_key_id` to `fallback` of a row."""
    key_id, cursor, generation, full_sync_running, page_size, mid_round, fallback = columns
    return FeedPosition(
        cursor=SealedSecret(key_id, cursor) if cursor is not None else None,
        generation=generation,
        is_full_sync_running=full_sync_running,
        page_size=page_size,
        is_mid_round=mid_round,
        failed_feed_count=fallback,
    )
