"""Decide which large folders several workers read together in slices, and how many messages a slice
has. Pure functions."""

from collections.abc import Collection, Mapping, Sequence

from mailsync.decisions.budget import grow_page_size, shrink_page_size
from mailsync.model import FeedId, StoredFeed, TimeSlicePage

MAX_MESSAGES_OF_UNSLICED_FOLDER = 400
"""A folder with more messages than this can be read in slices. 400 messages are four pages, one
page for each worker."""
INITIAL_MESSAGES_PER_SLICE = 100
"""The number of messages of a worker's first slice: as many as a page with contents has."""
MAX_MESSAGES_PER_SLICE = 200
"""The maximum number of messages of a slice. A large slice is faster than two small slices, because
each request costs the provider additional time. But a provider may give up on a page that takes too
long (Microsoft Graph docs, "List messages"), and 200 messages take 5 s at 27 ms each."""
MIN_MESSAGES_PER_SLICE = 25
"""The slices at the end of a feed become smaller, but not smaller than this number of messages,
because each slice costs a request. A failed slice with this number of messages or fewer is not
split: its messages are fetched by their ids."""
TARGET_BYTES_PER_SLICE = 6 * 2**20
"""The target for the decompressed size of a slice that has more messages than a worker's first
slice. 6 MB are 150 messages of 40 KB. A function holds two slices at a time."""
MIN_NEWLY_STORED_SHARE_OF_FIRST_SLICE = 0.2
"""The minimum share of the messages of a full sync's first slice that the worker must have stored.
If it has stored fewer, the full sync uses no slices, because most messages would be requested by
their ids."""


def choose_feeds_to_read_in_slices(
    left: Sequence[StoredFeed],
    totals: Mapping[FeedId, int],
    begun: Collection[FeedId],
    max_in_flight: int,
) -> tuple[FeedId, ...]:
    """Return the ids of the feeds that several workers read in slices, in the order of `left`.

    A feed is chosen if its full sync has stored no page yet, none of its pages has failed, and one
    worker alone would read it for longer than all workers together need for all feeds of `left`.
    Return an empty tuple if at least as many feeds as workers would be chosen:
    then each worker has a large feed of its own.

    left: the feeds that are not up to date.
    totals: for each feed, the provider's number of messages in the feed's folder.
    begun: ids of the feeds that have slices already. They are chosen whatever their size.
    max_in_flight: number of workers, one for each request that the provider accepts at a time.
    """
    share = sum(totals.get(feed.ref.id, 0) for feed in left) / max_in_flight
    large = [
        feed.ref.id
        for feed in left
        if feed.ref.id in begun
        or (
            feed.position.sealed_cursor is None
            and feed.position.feed_kind_index == 0
            and feed.position.messages_per_page is None
            and totals.get(feed.ref.id, 0) > max(share, MAX_MESSAGES_OF_UNSLICED_FOLDER)
        )
    ]
    return tuple(large) if len(large) < max_in_flight else ()


def should_use_slices_after_first_slice(stored: int, claimed: int) -> bool:
    """Return whether a full sync goes on with slices after its first slice: whether at least the
    fraction `MIN_NEWLY_STORED_SHARE_OF_FIRST_SLICE` of the slice's messages was stored.

    stored: number of messages that the first slice brought and that the worker stored.
    claimed: number of messages that the first slice should have brought.
    """
    return stored >= MIN_NEWLY_STORED_SHARE_OF_FIRST_SLICE * claimed


def choose_next_slice_message_count(size: int, claimed: int, page: TimeSlicePage | None) -> int:
    """Return the number of messages of a worker's next slice.

    After a failed slice the result is half of `size`. After any other slice the result is a quarter
    larger than `size`, at most `MAX_MESSAGES_PER_SLICE`. A result above
    `INITIAL_MESSAGES_PER_SLICE` is limited so that the next slice has about
    `TARGET_BYTES_PER_SLICE` at most.

    size: the number of messages for which the worker aimed with its last slice.
    claimed: the number of messages that the last slice really had.
    page: the provider's response for the last slice. None: the slice failed.
    """
    if page is None:
        return shrink_page_size(size)
    fitting = claimed * TARGET_BYTES_PER_SLICE // max(1, page.response_size_bytes)
    return min(
        grow_page_size(size, MAX_MESSAGES_PER_SLICE), max(INITIAL_MESSAGES_PER_SLICE, fitting)
    )


def should_split_failed_slice(claimed: int, page: TimeSlicePage | None) -> bool:
    """Return whether the messages of a slice must be fetched again in smaller slices: the slice
    failed, and it had more than `MIN_MESSAGES_PER_SLICE` messages.

    claimed: number of messages of the slice.
    page: the provider's response for the slice. None: the slice failed.
    """
    return page is None and claimed > MIN_MESSAGES_PER_SLICE
