"""Fetch the messages of a large folder with several workers. Each worker claims slices. This is
the work of the Map items that have a number in `slice`: `FEED_READING_WORKER_NUMBER` for the worker
that reads the change feed, larger numbers for the workers that only fetch slices."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from mailsync.decisions import slices as decisions
from mailsync.decisions.budget import has_time_for_page
from mailsync.decisions.slices import (
    choose_feeds_to_read_in_slices,
    choose_next_slice_message_count,
    should_split_failed_slice,
    should_use_slices_after_first_slice,
)
from mailsync.errors import FolderGone
from mailsync.log import logger
from mailsync.model import FeedId, StoredFeed, TimeSlice
from mailsync.providers import TimeSliceReader
from mailsync.store.slice_store import SliceClaimant
from mailsync.sync.mailbox import Mailbox

FEED_READING_WORKER_NUMBER = 0
"""The number of the worker that reads the change feed."""
MAX_WAIT_FOR_UNCLAIMED_SLICE_S = 20.0
"""The seconds after which a worker ends if it has found no slice. The worker that reads the feed
has then failed, waits for the provider, or names messages more slowly than they are fetched."""
_FIRST_PAUSE_S = 0.05
_MAX_PAUSE_S = 0.4


class SliceWorker:
    """Fetches and stores slices of one feed, with one request in flight.

    While the worker stores a slice, the provider's client already requests the next slice. The
    worker has then claimed both slices.

    number: number of the worker among the workers of the feed.
    is_single: whether the worker fetches only one slice.
    """

    def __init__(
        self, mailbox: Mailbox, feed: StoredFeed, number: int, *, is_single: bool = False
    ) -> None:
        self._mailbox = mailbox
        self._feed = feed
        worker_count = mailbox.provider.max_requests_in_flight
        self._claimant = SliceClaimant(number, decisions.INITIAL_MESSAGES_PER_SLICE, worker_count)
        self._is_single = is_single
        self._claimed: list[TimeSlice] = []

    def store_next_slice(self) -> tuple[int, int] | None:
        """Fetch and store the next slice. Return the number of its messages that were stored, and
        the number of all its messages. Return None if every slice is claimed.

        A message is stored only in the version that the change feed has named. So the first number
        may be smaller.
        """
        mailbox, feed = self._mailbox, self._feed
        missing = (1 if self._is_single else 2) - len(self._claimed)
        if missing:
            self._claimed += mailbox.slice_store.claim_slices(
                mailbox.run_ref, feed.ref.id, self._claimant, missing
            )
        if not self._claimed:
            return None
        part, *others = self._claimed
        assert isinstance(mailbox.provider, TimeSliceReader), "only such a provider has slices"
        page = mailbox.provider.fetch_time_slice(
            feed.ref, part, following=others[0] if others else None
        )
        claimed = len(part.received_at_by_pending_message_id)
        size = choose_next_slice_message_count(self._claimant.max_messages_per_slice, claimed, page)
        self._claimant = replace(self._claimant, max_messages_per_slice=size)
        if should_split_failed_slice(claimed, page):
            mailbox.slice_store.release_slice_claim(mailbox.run_ref, feed.ref.id, part)
            self._claimed = others
            return 0, claimed
        next_for = None if self._is_single else self._claimant
        stored = mailbox.slice_store.save_slice(
            mailbox.run_ref, feed, part, page, next_for=next_for
        )
        self._claimed = (
            [*others, stored.next_claimed_slice] if stored.next_claimed_slice else others
        )
        mailbox.feed_reading_log.record_stored_page_of_feed(feed)
        logger.info(
            "slice_stored",
            **feed.ref.log_fields,
            worker=self._claimant.worker_index,
            claimed=claimed,
            stored=stored.stored_message_count,
        )
        return stored.stored_message_count, claimed


def store_slices_as_additional_worker(
    mailbox: Mailbox, feed_ids: Sequence[FeedId], number: int, remaining_s: Callable[[], float]
) -> tuple[FeedId, ...]:
    """Store slices of feeds until no more slices can come, no slice was found for
    `MAX_WAIT_FOR_UNCLAIMED_SLICE_S` seconds, or the time budget is spent. Return `feed_ids` if the
    time budget is spent, else no feed.

    The worker that reads a feed does not need the help of this function. So a folder that no longer
    exists is no error here; its feed is left out.

    number: the number of this worker, from 1.

    Raises:
        MailsyncError: the provider or the store fails.
    """
    mailbox.slice_store.release_claims_of_worker(mailbox.run_ref, feed_ids, number)
    workers = {feed_id: _worker(mailbox, feed_id, number) for feed_id in feed_ids}
    slowest_s, busy_at = 0.0, time.monotonic()
    pauses = _Pauses()
    while has_time_for_page(remaining_s(), slowest_s):
        started = time.monotonic()
        has_stored = [
            feed_id for feed_id, each in workers.items() if each and each.store_next_slice()
        ]
        if has_stored:
            busy_at = time.monotonic()
            pauses = _Pauses()
            slowest_s = max(slowest_s, busy_at - started)
            continue
        if not _may_come(mailbox, feed_ids) or started - busy_at > MAX_WAIT_FOR_UNCLAIMED_SLICE_S:
            return ()
        pauses.sleep()
    return tuple(feed_ids)


def fetch_and_store_remaining_slices(
    mailbox: Mailbox, feed: StoredFeed, remaining_s: Callable[[], float]
) -> None:
    """Store slices of a feed whose round (its pass over all message ids) has ended. Stop when the
    time budget is spent, or when no worker has a slice of the feed left to store."""
    mailbox.slice_store.release_claims_of_worker(
        mailbox.run_ref, (feed.ref.id,), FEED_READING_WORKER_NUMBER
    )
    worker = SliceWorker(mailbox, feed, FEED_READING_WORKER_NUMBER)
    slowest_s = 0.0
    pauses = _Pauses()
    while has_time_for_page(remaining_s(), slowest_s):
        started = time.monotonic()
        if worker.store_next_slice():
            pauses = _Pauses()
            slowest_s = max(slowest_s, time.monotonic() - started)
        elif not mailbox.slice_store.read_pending_messages_status(
            mailbox.run_ref.account_id, feed.ref.id
        ).has_pending_messages:
            return
        else:
            pauses.sleep()


class _Pauses:
    """The pauses of a worker that finds no slice: each is twice as long as the one before it, so
    that a feed that is slow to name messages costs few queries."""

    def __init__(self) -> None:
        self._next_s = _FIRST_PAUSE_S

    def sleep(self) -> None:
        time.sleep(self._next_s)
        self._next_s = min(_MAX_PAUSE_S, 2 * self._next_s)


def choose_feeds_to_slice(mailbox: Mailbox, left: Sequence[StoredFeed]) -> tuple[FeedId, ...]:
    """Return the ids of the feeds that `choose_feeds_to_read_in_slices` chooses for reading in
    slices.

    Also release the claims of all earlier workers. They have ended, because no worker of this lease
    has started yet.
    """
    account_id = mailbox.run_ref.account_id
    if not left or not isinstance(mailbox.provider, TimeSliceReader):
        return ()
    begun = mailbox.slice_store.feed_ids_with_pending_slices(account_id)
    if begun:
        mailbox.slice_store.release_claims_of_worker(mailbox.run_ref, begun, None)
    totals: Counter[FeedId] = Counter()
    for folder in mailbox.folder_store.read_existing_folders(account_id):
        totals[folder.feed.ref.id] += folder.remote_total or 0
    in_flight = mailbox.provider.max_requests_in_flight
    return choose_feeds_to_read_in_slices(left, totals, begun, in_flight)


def store_first_slice(mailbox: Mailbox, feed: StoredFeed) -> bool:
    """Store the first slice of a full sync. Return whether the full sync should go on with slices
    (`should_use_slices_after_first_slice`). Return True if no slice was free."""
    found = SliceWorker(
        mailbox, feed, FEED_READING_WORKER_NUMBER, is_single=True
    ).store_next_slice()
    return found is None or should_use_slices_after_first_slice(*found)


def _worker(mailbox: Mailbox, feed_id: FeedId, number: int) -> SliceWorker | None:
    try:
        feed = mailbox.feed_store.read_feed(mailbox.run_ref.account_id, feed_id)
    except FolderGone:
        return None
    return SliceWorker(mailbox, feed, number)


def _may_come(mailbox: Mailbox, feed_ids: Sequence[FeedId]) -> bool:
    """Return whether a slice is free, or a full sync that runs may name more messages."""
    all_left = [
        mailbox.slice_store.read_pending_messages_status(mailbox.run_ref.account_id, each)
        for each in feed_ids
    ]
    return any(each.has_unclaimed_messages or each.is_full_sync_running for each in all_left)
