"""Store the changes of change feeds page by page: the work of the state `sync-folder`.

Each transaction stores a page together with the cursor after the page.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mailsync.decisions.budget import (
    compute_wait_state_duration_s,
    grow_page_size,
    has_time_for_page,
    shrink_page_size,
)
from mailsync.decisions.page_series import EndlessPagingDetector
from mailsync.decisions.successor import MAX_SUCCESSIVE_PROVIDER_PAUSES
from mailsync.errors import (
    CursorExpired,
    FolderGone,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from mailsync.log import logger
from mailsync.model import FeedId, FeedPosition, FeedRef, Page, StoredFeed, WrittenRowCounts
from mailsync.providers import (
    CompleteMessageLister,
    FeedUnreadableError,
    MailProvider,
    TimeSliceReader,
)
from mailsync.sync.listed_contents import can_read_pending_messages_from_list
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.slices import (
    fetch_and_store_remaining_slices,
    store_first_slice,
    store_slices_as_additional_worker,
)
from mailsync.sync.store_page import compute_initial_page_size, store_page, store_pending_messages

TRANSIENT_FAILURE_PAUSE_S = 5.0
"""The pause in seconds after a transient failure for which the provider requested no pause. It
equals the first retry interval of the workflow."""


@dataclass(frozen=True, slots=True)
class RemainingFeeds:
    """The result of reading change feeds: which feeds remain, and whether to pause first.

    remaining_feed_ids: the feeds that are not up to date yet.
    pause_before_next_page_s: seconds for which the workflow must wait before the next page, because
        the provider requested it or a request failed. 0: no pause.
    """

    remaining_feed_ids: tuple[FeedId, ...] = ()
    pause_before_next_page_s: int = 0


def sync_map_item(
    mailbox: Mailbox,
    feed_ids: Sequence[FeedId],
    worker: int | None,
    remaining_s: Callable[[], float],
) -> RemainingFeeds:
    """Do the work of one item of the workflow's Map state; return the feeds that remain.

    worker: the value of `slice` in the item. `FEED_READING_WORKER_NUMBER`: the worker reads the
        feed and leaves most messages to slices. A larger number: the worker only fetches slices.
        None: the worker reads the feeds of the item without slices.
    """
    if worker:
        return RemainingFeeds(
            store_slices_as_additional_worker(mailbox, feed_ids, worker, remaining_s)
        )
    return sync_feeds(mailbox, feed_ids, remaining_s, is_sliced=worker is not None)


def sync_feeds(
    mailbox: Mailbox,
    feed_ids: Sequence[FeedId],
    remaining_s: Callable[[], float],
    *,
    is_sliced: bool = False,
) -> RemainingFeeds:
    """Read change feeds one after the other, until all are up to date or the time budget is spent;
    return the feeds that remain.

    is_sliced: whether a full sync that begins now requests only the ids of messages. Other workers
        then fetch the messages in slices.

    If a feed fails after another feed was read, no error is raised, and the failed feed is the
    first of the remaining feeds. The next call then raises its error.

    Raises:
        MailsyncError: the first feed failed; see `sync_feed`.
    """
    for number, feed_id in enumerate(feed_ids):
        _note_next_feed(mailbox, feed_ids[number + 1 : number + 2])
        try:
            progress = sync_feed(mailbox, feed_id, remaining_s, is_sliced=is_sliced)
        except MailsyncError:
            if number == 0:
                raise
            return RemainingFeeds(tuple(feed_ids[number:]))
        if progress.remaining_feed_ids:
            return RemainingFeeds(tuple(feed_ids[number:]), progress.pause_before_next_page_s)
    return RemainingFeeds()


def _note_next_feed(mailbox: Mailbox, following: Sequence[FeedId]) -> None:
    """Announce the next feed to the provider's client, which may read it ahead, if the feed's full
    sync has stored no page yet. Otherwise announce that no feed follows."""
    starting: FeedRef | None = None
    for each in following:
        with suppress(FolderGone):  # raised where it is read
            feed = mailbox.feed_store.read_feed(mailbox.run_ref.account_id, each)
            starting = feed.ref if feed.position.sealed_cursor is None else None
    mailbox.provider.note_feed_to_read_ahead(starting)


def sync_feed(
    mailbox: Mailbox, feed_id: FeedId, remaining_s: Callable[[], float], *, is_sliced: bool = False
) -> RemainingFeeds:
    """Store pages of a feed until the feed is up to date or the time budget is spent. Return the
    feed if it has more changes, with a pause if the provider requests one or if a transient failure
    follows a stored page. After a round (one pass over the feed) that an earlier sync began, read
    another round. While messages are pending, interrupt fetching them to read new changes every
    `ProviderTuning.max_feed_read_interval_while_pending_s` seconds.

    Raises:
        CursorExpired: the cursor is invalid, or the pages of the round do not end.
        MailsyncError: any other error of the provider or the store.
    """
    run, feeds = mailbox.run_ref, mailbox.feed_store
    mailbox.run_folder_store.begin_feed(run, feeds.read_feed(run.account_id, feed_id).ref)
    slowest_s, is_new_round, has_progressed = 0.0, False, False
    news, series = _NewsClock(mailbox.provider), EndlessPagingDetector()
    page: Page | None
    while has_time_for_page(remaining_s(), slowest_s):
        page = None  # else two are in memory during the next request
        started = time.monotonic()
        feed = feeds.read_feed(run.account_id, feed_id)
        try:
            if not feed.has_pending_messages_due_soon and news.is_read:
                return RemainingFeeds()
            if before := _store_before_page(mailbox, feed, news, remaining_s):
                if before.remaining_feed_ids:
                    return before
                has_progressed = True
                slowest_s = max(slowest_s, time.monotonic() - started)
                continue
            page = _fetch(mailbox, feed, is_sliced=is_sliced)
            counts = _store_page(mailbox, feed, page, started, remaining_s)
            is_sliced = is_sliced and _are_slices_useful(mailbox, feed, counts)
        except FeedUnreadableError:
            _fall_back(mailbox, feed)
            continue
        except (ProviderThrottled, ProviderUnavailable) as failure:
            return _paused(mailbox, feed.ref, failure, progressed=has_progressed)
        # While messages are pending, a last page without effect is no progress: it may repeat.
        is_progress = not feed.has_pending_messages_due_soon or page.has_more or _has_effect(counts)
        has_progressed |= is_progress
        is_new_round |= feed.position.is_next_page_first_of_round
        news.add(page, counts, is_start=feed.position.is_next_page_first_of_round)
        is_read = is_feed_up_to_date_after_page(page, counts, started_in_this_sync=is_new_round)
        if is_read and not feed.has_pending_messages_due_soon:
            return RemainingFeeds()
        series = _add_to_series(series, page)
        slowest_s = max(slowest_s, is_progress * (time.monotonic() - started))
    return RemainingFeeds((feed_id,))


def _has_effect(counts: WrittenRowCounts | None) -> bool:
    """Return whether a page changed rows of messages. A provider may report a change again at each
    reading. None: another worker has stored the page."""
    return counts is None or bool(counts.inserted or counts.updated or counts.removed)


def _store_before_page(
    mailbox: Mailbox, feed: StoredFeed, news: "_NewsClock", remaining_s: Callable[[], float]
) -> RemainingFeeds | None:
    """Fetch and store pending messages if that comes before the next page of the feed. Return None
    if the page comes first; nothing was fetched. Otherwise the result has the feed if the caller
    must pause before it fetches more, and no feed if it may go on at once.

    A full sync in slices first requests the ids of all messages, so that other workers have slices
    to fetch.
    """
    if feed.has_slices_to_fetch:
        if not feed.position.is_next_page_first_of_round:
            return None
        fetch_and_store_remaining_slices(mailbox, feed, remaining_s)
        return RemainingFeeds()
    if not feed.has_pending_messages_due_soon or news.is_due(feed.position):
        return None
    if feed.pending_fetch_due_in_s:
        return RemainingFeeds(
            (feed.ref.id,), compute_wait_state_duration_s(feed.pending_fetch_due_in_s)
        )
    pause = store_pending_messages(mailbox, feed, lambda: has_time_for_page(remaining_s(), 0.0))
    if pause:
        return _paused(mailbox, feed.ref, pause, progressed=True)
    news.has_stored_pending = True
    return RemainingFeeds()


def _are_slices_useful(mailbox: Mailbox, feed: StoredFeed, counts: WrittenRowCounts | None) -> bool:
    """Return whether a full sync goes on with slices after its first page was stored. For this,
    store the first slice. If slices are not useful, restart the full sync without slices: its pages
    contain the messages, which then costs less than a request for each message."""
    if feed.position.sealed_cursor is not None or not counts or not counts.pending:
        return True
    if store_first_slice(mailbox, feed):
        return True
    logger.warning("slices_not_useful", **feed.ref.log_fields)
    mailbox.slice_store.restart_full_sync_without_slices(mailbox.run_ref, feed.ref.id)
    return False


def _store_page(
    mailbox: Mailbox,
    feed: StoredFeed,
    page: Page,
    requested_at: float,
    remaining_s: Callable[[], float],
) -> WrittenRowCounts | None:
    return store_page(
        mailbox,
        feed,
        page,
        requested_at=requested_at,
        one_by_one=True,
        has_time=lambda: has_time_for_page(remaining_s(), 0.0),
    )


class _NewsClock:
    """Remembers when a feed was last read to the end of a round, and decides when the feed is read
    again while messages of the feed are pending. The interval between the two readings is
    `ProviderTuning.max_feed_read_interval_while_pending_s`.

    has_stored_pending: whether pending messages were stored since the last page. The feed is read
        again only if this is true. Otherwise pending messages would wait for ever if a round takes
        longer than the interval.
    """

    def __init__(self, provider: MailProvider) -> None:
        self.has_stored_pending = False
        self._interval_s = (
            provider.provider_tuning.max_feed_read_interval_while_pending_s
        )  # None: after all pending messages
        # One list of the folder then has the messages that all pages of the round name.
        self._is_round_read_first = isinstance(provider, CompleteMessageLister)
        self._began_at: float | None = None
        self._read_from: float | None = None

    @property
    def is_read(self) -> bool:
        """Return whether a round has ended that began less than the interval ago. Return False if
        the provider has no interval."""
        return self._read_from is not None and not self._is_over(self._read_from)

    def is_due(self, position: FeedPosition) -> bool:
        """Return whether to read the feed before fetching further pending messages."""
        if self._interval_s is None:
            return (
                self._is_round_read_first
                and can_read_pending_messages_from_list(position)
                and not position.is_next_page_first_of_round
            )
        if self._read_from is None or not position.is_next_page_first_of_round:
            return True
        return self.has_stored_pending and self._is_over(self._read_from)

    def add(self, page: Page, counts: WrittenRowCounts | None, *, is_start: bool) -> None:
        """Record that a page was read.

        counts: the numbers of written rows. None: the page was not stored.
        is_start: whether the page began a round.
        """
        self.has_stored_pending = False
        if is_start:
            self._began_at = time.monotonic()
        if counts is not None and not page.has_more and not page.has_only_message_ids:
            self._read_from = self._began_at

    def _is_over(self, since: float) -> bool:
        return self._interval_s is None or time.monotonic() - since >= self._interval_s


def is_feed_up_to_date_after_page(
    page: Page, counts: WrittenRowCounts | None, *, started_in_this_sync: bool
) -> bool:
    """Return whether the feed is up to date after this page.

    A round, one pass over the change feed, reports changes up to the moment at which it started.

    counts: the numbers of rows that the page wrote. If the page left messages pending, the feed is
        not up to date. None: another worker has moved the cursor, so the page wrote nothing.
    started_in_this_sync: whether the round of the page began in this sync. False: an earlier sync
        began the round, perhaps hours ago, so another round must follow.
    """
    if counts is None or counts.pending or page.has_more:
        return False
    return started_in_this_sync or page.next_round_is_full_sync


def _add_to_series(series: EndlessPagingDetector, page: Page) -> EndlessPagingDetector:
    """Add a page to the pages of its round; return the round to which the next page belongs.

    Raises:
        CursorExpired: the pages of the round do not end.
    """
    if not page.has_more:
        return EndlessPagingDetector()
    series.add_page([each.remote_id for each in page.changes])
    if series.is_endless:
        raise CursorExpired(
            "The provider sends empty or repeated pages of changes without an end. The stored mail"
            " stays; the feed is read again from its beginning."
        )
    return series


def _paused(
    mailbox: Mailbox,
    feed: FeedRef,
    failure: ProviderThrottled | ProviderUnavailable,
    *,
    progressed: bool,
) -> RemainingFeeds:
    """Return a pause after a transient failure if the provider requested a pause or if the feed has
    progressed; otherwise raise the failure. After `MAX_SUCCESSIVE_PROVIDER_PAUSES` pauses without a
    page raise ProviderRejected, which no state retries."""
    pause_s = TRANSIENT_FAILURE_PAUSE_S if progressed else None
    if isinstance(failure, ProviderThrottled) and failure.retry_after_s is not None:
        mailbox.save_provider_throttling(failure)
        pause_s = failure.retry_after_s
    if pause_s is None:
        raise failure
    waits = mailbox.run_folder_store.increment_pause_count_of_feed(
        mailbox.run_ref, feed, has_progressed=progressed
    )
    if waits > MAX_SUCCESSIVE_PROVIDER_PAUSES:
        raise ProviderRejected(
            f"The provider requested {waits} pauses in succession and returned no page. The stored"
            f" mail stays; the next sync tries again. Its last response: {failure}"
        ) from failure
    return RemainingFeeds((feed.id,), compute_wait_state_duration_s(pause_s))


def _fetch_names(mailbox: Mailbox, feed: StoredFeed) -> Page | None:
    """Start a full sync in slices: fetch its first page, which names messages without contents.
    Return None if the feed cannot be read in slices, or if its full sync has begun already."""
    provider, position = mailbox.provider, feed.position
    if position.sealed_cursor is not None or position.feed_kind_index or position.messages_per_page:
        return None
    if not isinstance(provider, TimeSliceReader):
        return None
    return provider.fetch_first_page_of_message_ids(
        feed.ref, limit=compute_initial_page_size(mailbox.provider.provider_tuning)
    )


def _fetch(mailbox: Mailbox, feed: StoredFeed, *, is_sliced: bool) -> Page:
    """Fetch a page in the size that last worked: halved after a failure, then growing back."""
    if is_sliced and (names := _fetch_names(mailbox, feed)):
        return names
    position, largest = feed.position, compute_initial_page_size(mailbox.provider.provider_tuning)
    size = min(position.messages_per_page or largest, largest)
    try:
        page = mailbox.provider.fetch_feed_page(
            feed.ref, mailbox.decrypt_cursor(feed), limit=size, fallback=position.feed_kind_index
        )
    except ProviderUnavailable:
        if size > 1:
            mailbox.feed_store.save_page_size(mailbox.run_ref, feed.ref.id, shrink_page_size(size))
        raise
    if size < largest:
        mailbox.feed_store.save_page_size(
            mailbox.run_ref, feed.ref.id, grow_page_size(size, largest)
        )
    return page


def _fall_back(mailbox: Mailbox, feed: StoredFeed) -> None:
    """Restart the full sync with the provider's next kind of feed, because the present kind fails
    at a message."""
    fallback = feed.position.feed_kind_index + 1
    logger.warning("feed_failed", **feed.ref.log_fields, fallback=fallback)
    mailbox.feed_store.restart_full_sync(mailbox.run_ref, feed.ref.id, fallback=fallback)
