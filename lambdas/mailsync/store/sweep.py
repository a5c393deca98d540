"""Hide the messages that the full sync of a feed did not see (mark and sweep).

The transaction that stores the last page of a full sync also ends the sweep. Earlier transactions
hide all but a small part of the unseen messages, and do not move the cursor. So if the function
dies before the end, the next function reads the last page again and continues the sweep.
"""

from collections.abc import Callable, Sequence

from mailsync.decisions.safety import is_suspicious_removal_from_folder
from mailsync.log import logger
from mailsync.model import FolderId, RemoteId, RunRef, StoredFeed, WrittenRowCounts
from mailsync.store import rows
from mailsync.store.connection import Database, Transaction
from mailsync.store.fence import FencedTransaction
from mailsync.store.page_rows import end_placements_of_locked_messages

MAX_MESSAGES_HIDDEN_PER_TRANSACTION = 5_000
"""The maximum number of messages that one transaction hides: about half a second of work."""


class FullSyncSweepStore:
    """Hides the messages that a full sync did not see. Raises StoreUnavailable, StoreRejected and
    LeaseLost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hide_unseen_messages_before_last_page(
        self, run: RunRef, feed: StoredFeed, seen: Sequence[RemoteId], has_time: Callable[[], bool]
    ) -> bool:
        """Hide the messages that a full sync did not see, until
        `MAX_MESSAGES_HIDDEN_PER_TRANSACTION` or fewer are left. The transaction that stores the
        last page of the full sync hides the rest. Return False if the time did not suffice, else
        True.

        feed: the feed, at the position where the last page of its full sync was requested.
        seen: the messages that the last page names; the page is not stored yet.
        has_time: returns whether there is time for another transaction.
        """
        with FencedTransaction(self._database, run) as tx:
            sizes = _sizes(tx, run, feed, seen) if _lock_position(tx, feed) else []
        credible = [folder_id for folder_id, size, is_doubtful in sizes if size and not is_doubtful]
        left = sum(size for folder_id, size, _ in sizes if folder_id in credible)
        while left > MAX_MESSAGES_HIDDEN_PER_TRANSACTION:
            if not has_time():
                return False
            with FencedTransaction(self._database, run) as tx:
                if not _lock_position(tx, feed):
                    return True
                left -= _hide_part(tx, run, feed, seen, credible)
        return True


def hide_messages_unseen_by_full_sync(
    tx: Transaction, run: RunRef, feed: StoredFeed, *, is_listing: bool
) -> WrittenRowCounts:
    """Take the messages that the feed's full sync did not see out of the feed's folders. Hide
    messages that are then in no folder. This works in the caller's transaction.

    A folder keeps its unseen messages if these are most of its stored messages, unless at least as
    many messages remain as the provider counts in the folder. The next verification compares the
    message ids of a folder that keeps unseen messages, and requests each missing message.

    is_listing: whether the full sync listed only the ids of messages, without their folders. The
        next verification then also compares every folder with stored messages, and every folder
        that the provider does not count.
    """
    generation, removed = feed.position.full_sync_generation, 0
    doubtful: list[FolderId] = []
    unseen = tx.run("lock_unseen", **_of_feed(run, feed), seen="[]", folder_ids=None, limit=None)
    if unseen:
        sizes = _sizes(tx, run, feed, ())
        doubtful = [folder_id for folder_id, _, is_doubtful in sizes if is_doubtful]
        credible = [folder_id for folder_id, size, is_doubtful in sizes if size and not is_doubtful]
        removed = end_placements_of_locked_messages(tx, unseen, credible, unseen_before=generation)
    tx.run(
        "full_sync_ended",
        feed_id=feed.ref.id,
        run_id=run.run_id,
        doubtful=rows.to_jsonb(doubtful),
        is_listing=is_listing,
    )
    return WrittenRowCounts(removed=removed)


def _hide_part(
    tx: Transaction,
    run: RunRef,
    feed: StoredFeed,
    seen: Sequence[RemoteId],
    folder_ids: Sequence[FolderId],
) -> int:
    unseen = tx.run(
        "lock_unseen",
        **_of_feed(run, feed),
        seen=rows.to_jsonb(list(seen)),
        folder_ids=rows.to_jsonb(list(folder_ids)),
        limit=MAX_MESSAGES_HIDDEN_PER_TRANSACTION,
    )
    hidden = end_placements_of_locked_messages(
        tx, unseen, folder_ids, unseen_before=feed.position.full_sync_generation
    )
    logger.info("unseen_hidden", feed_id=feed.ref.id, messages=hidden)
    return MAX_MESSAGES_HIDDEN_PER_TRANSACTION


def _sizes(
    tx: Transaction, run: RunRef, feed: StoredFeed, seen: Sequence[RemoteId]
) -> list[tuple[FolderId, int, bool]]:
    """Return each folder of the feed, the number of its unseen messages, and whether hiding them
    would contradict the provider's own count."""
    sizes = []
    for folder_id, stored, removing, remote_total in tx.run(
        "sweep_sizes", **_of_feed(run, feed), seen=rows.to_jsonb(list(seen))
    ):
        is_doubtful = is_suspicious_removal_from_folder(
            stored=stored, removing=removing, remote_total=remote_total
        )
        if is_doubtful:
            logger.warning("removal_doubted", folder_id=folder_id, unseen=removing, stored=stored)
        sizes.append((FolderId(folder_id), int(removing), is_doubtful))
    return sizes


def _lock_position(tx: Transaction, feed: StoredFeed) -> bool:
    cursor = feed.position.sealed_cursor
    return bool(
        tx.run(
            "lock_position",
            feed_id=feed.ref.id,
            generation=feed.position.full_sync_generation,
            cursor=cursor.sealed_bytes if cursor else None,
        )
    )


def _of_feed(run: RunRef, feed: StoredFeed) -> dict[str, object]:
    return {
        "account_id": run.account_id,
        "feed_id": feed.ref.id,
        "generation": feed.position.full_sync_generation,
    }
