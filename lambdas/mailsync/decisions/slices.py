"""Decide which folders are read by several workers, those that are large beside the others, and how
large their slices are."""

from collections.abc import Collection, Mapping, Sequence

from mailsync.decisions.budget import grow_page_size, shrink_page_size
from mailsync.model import FeedId, SlicePage, StoredFeed

MIN_MESSAGES_FOR_SLICES = 400
"""The number of messages above which a folder is read in slices: a page for each worker."""
MESSAGES_PER_SLICE = 100
"""The number of messages of a worker's first slice, that of a page with contents."""
MAX_MESSAGES_PER_SLICE = 200
"""The size of slices of small messages. Every request costs the provider time of its own, so larger
ones are faster; but Graph gives up on a page that takes too long (Microsoft Graph docs, "List
messages"), and 200 messages take 5 s at 27 ms each."""
MIN_MESSAGES_PER_SLICE = 25
"""The size below which slices are not divided, because each costs a request: the messages of one
that fails are then fetched by their ids."""
BYTES_PER_SLICE = 6 * 2**20
"""The aim for the decompressed size of slices with more messages than the first: that of 150
messages of 40 KB. A function holds two slices at a time."""
MIN_USEFUL_SLICE_SHARE = 0.2
"""A full sync goes on with slices if the first slice stores a fifth of its messages or more. Else
each message would be requested by its id."""


def choose_sliced_feeds(
    left: Sequence[StoredFeed],
    totals: Mapping[FeedId, int],
    begun: Collection[FeedId],
    max_in_flight: int,
) -> tuple[FeedId, ...]:
    """Return the feeds that are read in slices, in the order of `left`: those that would take one
    worker longer than the workers together need for all. None if they are as many as the workers,
    since each worker then has one.

    left: the feeds that are not up to date.
    totals: the provider's numbers of messages of the feeds' folders.
    begun: feeds with slices that are left from before.
    max_in_flight: number of workers, one for each request that the provider accepts at a time.
    """
    share = sum(totals.get(feed.ref.id, 0) for feed in left) / max_in_flight
    large = [
        feed.ref.id
        for feed in left
        if feed.ref.id in begun
        or (
            feed.position.cursor is None
            and feed.position.failed_feed_count == 0
            and feed.position.page_size is None
            and totals.get(feed.ref.id, 0) > max(share, MIN_MESSAGES_FOR_SLICES)
        )
    ]
    return tuple(large) if len(large) < max_in_flight else ()


def are_slices_useful(stored: int, claimed: int) -> bool:
    """Return whether a full sync goes on with slices after the first one. claimed: the number of
    its messages. stored: how many of them the slice contained as the feed has named them."""
    return stored >= MIN_USEFUL_SLICE_SHARE * claimed


def next_slice_size(size: int, claimed: int, page: SlicePage | None) -> int:
    """Return the number of messages of a worker's next slice: half of it after a slice that failed,
    else a quarter more, as long as `BYTES_PER_SLICE` allows it.

    size: the present number.
    claimed: the number of messages of the slice.
    page: None: the slice failed.
    """
    if page is None:
        return shrink_page_size(size)
    fitting = claimed * BYTES_PER_SLICE // max(1, page.size_bytes)
    return min(grow_page_size(size, MAX_MESSAGES_PER_SLICE), max(MESSAGES_PER_SLICE, fitting))


def is_split_useful(claimed: int, page: SlicePage | None) -> bool:
    """Return whether a slice failed that is worth being fetched as smaller ones."""
    return page is None and claimed > MIN_MESSAGES_PER_SLICE
