"""Divide the pending messages of a large folder into slices, which several workers fetch and store.
Every method is one transaction; every writing method checks the run's lease first.

From the provider's response to a slice, a worker stores only the messages that the folder's change
feed has named, in the versions that the feed has named. It fetches by id every pending message of
the slice that the response lacks or has in another version: the response alone does not show that
the folder no longer contains a message.

Raises StoreUnavailable and StoreRejected; writing methods also raise LeaseLost.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mailsync.decisions import slices as decisions
from mailsync.metrics import MESSAGES_STORED, add_to_metric
from mailsync.model import (
    AccountId,
    FeedId,
    Message,
    RemoteId,
    RunRef,
    StoredFeed,
    TimeSlice,
    TimeSlicePage,
    WrittenRowCounts,
)
from mailsync.store import page_rows, page_writes, rows
from mailsync.store.connection import Database, Transaction
from mailsync.store.conversations import any_message_needs_conversation_id
from mailsync.store.fence import FencedTransaction

CLAIM_LIFETIME_S = 60.0
"""The seconds after which a claim on a slice ends and another worker may fetch the slice. A request
and its retries take less time. Storing a slice twice changes nothing."""


@dataclass(frozen=True, slots=True)
class SliceClaimant:
    """A worker that claims slices of a feed.

    worker_index: number of this worker among the workers of the feed.
    max_messages_per_slice: maximum number of messages in a slice of this worker.
    worker_count: number of workers that claim slices of the feed.
    """

    worker_index: int
    max_messages_per_slice: int
    worker_count: int = 1


@dataclass(frozen=True, slots=True)
class PendingMessagesStatus:
    """The pending messages of a feed that slices still have to fetch.

    has_pending_messages: whether there are such messages.
    has_unclaimed_messages: whether some of these messages are claimed by no worker.
    is_full_sync_running: whether the feed's full sync is running and may add such messages.
    """

    has_pending_messages: bool
    has_unclaimed_messages: bool
    is_full_sync_running: bool


@dataclass(frozen=True, slots=True)
class SliceStoringResult:
    """The result of storing a slice.

    written_row_counts: numbers of inserted, updated and other rows.
    stored_message_count: number of messages that are no longer pending, because they are stored.
    next_claimed_slice: the slice that the same transaction claimed. None: no slice was claimed.
    """

    written_row_counts: WrittenRowCounts
    stored_message_count: int
    next_claimed_slice: TimeSlice | None


class SliceStore:
    """Claims slices of pending messages for workers, and stores their messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def feed_ids_with_pending_slices(self, account_id: AccountId) -> frozenset[FeedId]:
        """Return the ids of the feeds with pending messages that slices fetch."""
        with self._database.transaction() as tx:
            found = tx.run("sliced_feeds", account_id=account_id)
        return frozenset(FeedId(each) for (each,) in found)

    def read_pending_messages_status(
        self, account_id: AccountId, feed_id: FeedId
    ) -> PendingMessagesStatus:
        with self._database.transaction() as tx:
            found = tx.run("slices_left", account_id=account_id, feed_id=feed_id)
        return (
            PendingMessagesStatus(*found[0])
            if found
            else PendingMessagesStatus(False, False, False)
        )

    def claim_slices(
        self, run: RunRef, feed_id: FeedId, claimant: SliceClaimant, count: int
    ) -> list[TimeSlice]:
        """Claim up to `count` slices, the newest messages first; return an empty list if none is
        free."""
        with FencedTransaction(self._database, run) as tx:
            claimed = [_claim(tx, feed_id, claimant) for _ in range(count)]
        return [each for each in claimed if each]

    def release_slice_claim(self, run: RunRef, feed_id: FeedId, part: TimeSlice) -> None:
        """End the claim on a slice that could not be fetched. Workers can then claim its messages
        again, in smaller slices."""
        with FencedTransaction(self._database, run) as tx:
            tx.run(
                "release_slice",
                feed_id=feed_id,
                ids=rows.to_jsonb(list(part.received_at_by_pending_message_id)),
            )

    def release_claims_of_worker(
        self, run: RunRef, feed_ids: Collection[FeedId], worker: int | None
    ) -> None:
        """End the claims on slices of these feeds that an earlier attempt of a worker has left.

        worker: number of the worker. None: end the claims of all workers.
        """
        ids = rows.to_jsonb(sorted(feed_ids))
        with FencedTransaction(self._database, run) as tx:
            tx.run("release_slices", account_id=run.account_id, feed_ids=ids, worker=worker)

    def restart_full_sync_without_slices(self, run: RunRef, feed_id: FeedId) -> None:
        """Restart the full sync of a feed, to read the feed without slices: too few of its messages
        could be stored from the first slice. Delete the records of the feed's pending messages,
        because the pages of the new full sync contain these messages."""
        with FencedTransaction(self._database, run) as tx:
            tx.run("restart_full_sync", account_id=run.account_id, feed_id=feed_id, fallback=None)
            tx.run("drop_all_pending", account_id=run.account_id, feed_id=feed_id)

    def save_slice(
        self,
        run: RunRef,
        feed: StoredFeed,
        part: TimeSlice,
        page: TimeSlicePage | None,
        *,
        next_for: SliceClaimant | None,
    ) -> SliceStoringResult:
        """Store the messages of a slice, and claim another slice.

        part: the slice, which the worker has claimed.
        page: the provider's response with the messages of the slice. None: the slice could not be
            read, so its messages will be fetched by id.
        next_for: the worker for which to claim another slice. None: claim no slice.
        """

        def write(savepoints: bool) -> SliceStoringResult:
            messages = page.messages if page else ()
            with FencedTransaction(
                self._database, run, is_exclusive=any_message_needs_conversation_id(messages)
            ) as tx:
                named = _named(tx, run, feed, messages)
                counts = _save(tx, run, feed, named, savepoints=savepoints)
                by_id, released = _split_rest(part, page, {each.remote_id for each in named})
                if by_id:
                    tx.run("leave_slices", feed_id=feed.ref.id, ids=rows.to_jsonb(by_id))
                if released:
                    tx.run("release_slice", feed_id=feed.ref.id, ids=rows.to_jsonb(released))
                following = None if next_for is None else _claim(tx, feed.ref.id, next_for)
                return SliceStoringResult(counts, len(named), following)

        stored = page_rows.write_then_retry_with_savepoints(write)
        if written := stored.written_row_counts.inserted + stored.written_row_counts.updated:
            add_to_metric(MESSAGES_STORED, written)
        return stored


def _claim(tx: Transaction, feed_id: FeedId, claimant: SliceClaimant) -> TimeSlice | None:
    """Wait until the claims of other workers are committed, and then claim a slice. None: no slice
    is free.

    Two workers that claim at the same time would each skip rows that the other worker has locked.
    Both slices would then cover the same span of time, and the response to each slice would lack
    half of the slice's messages.
    """
    tx.run("lock_claims", feed_id=feed_id)
    found = tx.run(
        "claim_slice",
        feed_id=feed_id,
        worker=claimant.worker_index,
        limit=claimant.max_messages_per_slice,
        min_messages=decisions.MIN_MESSAGES_PER_SLICE,
        worker_count=claimant.worker_count,
        claim_s=CLAIM_LIFETIME_S,
    )
    return (
        TimeSlice({RemoteId(each): received_at for each, received_at in found}) if found else None
    )


def _named(
    tx: Transaction, run: RunRef, feed: StoredFeed, messages: Sequence[Message]
) -> list[Message]:
    """Return those of the fetched messages that are pending in exactly the fetched version. Lock
    the feed: no other transaction stores a page of the feed until this transaction ends."""
    shared = tx.run("share_feed", account_id=run.account_id, feed_id=feed.ref.id)
    if not shared or not messages:
        return []
    versions = dict(
        tx.run(
            "lock_named",
            feed_id=feed.ref.id,
            generation=shared[0][0],
            ids=rows.to_jsonb([each.remote_id for each in messages]),
        )
    )
    return [
        each
        for each in messages
        if each.remote_id in versions and each.remote_version == versions[each.remote_id]
    ]


def _save(
    tx: Transaction, run: RunRef, feed: StoredFeed, named: Sequence[Message], *, savepoints: bool
) -> WrittenRowCounts:
    if not named:
        return WrittenRowCounts()
    position = feed.position
    counts = page_rows.save_messages(
        tx,
        run,
        feed.ref.folder,
        named,
        savepoints=savepoints,
        is_first_full_sync=position.full_sync_generation == 1 and position.is_full_sync_running,
    )
    ids = rows.to_jsonb([each.remote_id for each in named])
    tx.run("drop_pending", feed_id=feed.ref.id, ids=ids)
    page_writes.add_messages_outside_pages_to_run_counts(tx, run, feed.ref, counts)
    return counts


def _split_rest(
    part: TimeSlice, page: TimeSlicePage | None, stored: Collection[RemoteId]
) -> tuple[list[RemoteId], list[RemoteId]]:
    """Return the messages of a slice that were not stored: those to fetch by id, and those for
    another slice, because the page ended before it reached their times.

    Another worker may have stored some of these messages meanwhile. If the page has no message of
    the slice, another slice would not help, so all messages are fetched by id.
    """
    left = {
        each: at
        for each, at in part.received_at_by_pending_message_id.items()
        if each not in stored
    }
    if page is None or page.has_all_messages_of_slice:
        return list(left), []
    times = [each.received_at for each in page.messages if each.received_at]
    if not times or not any(
        each.remote_id in part.received_at_by_pending_message_id for each in page.messages
    ):
        return list(left), []
    reached = min(times)
    released = [each for each, received_at in left.items() if received_at <= reached]
    return [each for each in left if left[each] > reached], released
