"""Decide which folders are read by several workers: the few large ones that are left."""

from collections.abc import Collection, Mapping, Sequence

from mailsync.model import FeedId, StoredFeed

MIN_MESSAGES_FOR_SLICES = 400
"""The number of messages above which a folder is read in slices: a page for each worker."""
FIRST_SLICE_SHARE = 5
"""A full sync goes on with slices if the first slice stores a fifth of its messages or more. Else
each message would be requested by its id."""


def choose_sliced_feeds(
    left: Sequence[StoredFeed],
    totals: Mapping[FeedId, int],
    begun: Collection[FeedId],
    max_in_flight: int,
) -> tuple[FeedId, ...]:
    """Return the feeds that are read in slices, in the order of `left`; none if there are as many
    large feeds as workers, since each worker then has one.

    left: the feeds that are not up to date.
    totals: the provider's numbers of messages of the feeds' folders.
    begun: feeds with slices that are left from before.
    max_in_flight: number of workers, one for each request that the provider accepts at a time.
    """
    large = [
        feed.ref.id
        for feed in left
        if feed.ref.id in begun
        or (
            feed.position.cursor is None
            and feed.position.failed_feed_count == 0
            and feed.position.page_size is None
            and totals.get(feed.ref.id, 0) > MIN_MESSAGES_FOR_SLICES
        )
    ]
    return tuple(large) if len(large) < max_in_flight else ()


def are_slices_useful(stored: int, claimed: int) -> bool:
    """Return whether a full sync goes on with slices after the first one. claimed: the number of
    its messages. stored: how many of them the slice contained as the feed has named them."""
    return stored * FIRST_SLICE_SHARE >= claimed
