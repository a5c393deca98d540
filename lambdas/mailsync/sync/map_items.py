"""Divide the work of a sync into the items of the workflow's Map state, and read the feeds of an
item from the input of a state inside the Map."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mailsync.decisions.successor import MAX_ITEMS_PER_MAP_STATE
from mailsync.model import FeedId, FeedRef, FolderId, StoredFeed
from mailsync.store.feed_store import FeedStore
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.slices import FEED_READING_WORKER_NUMBER, choose_feeds_to_slice

MAX_FEEDS_TO_ADD_FOLDER_IDS = 2_000
"""The maximum number of change feeds for which the items of the workflow also contain the ids of
the folders. The workflow's state may have 256 KiB, which the ids of some 25,000 feeds fill."""


def split_sync_into_map_items(
    mailbox: Mailbox, left: Sequence[StoredFeed], *, can_slice: bool
) -> dict[str, Any]:
    """Return the output of a state: the items of the workflow's Map for the feeds in `left`, and in
    `atOnce` how many items are processed in parallel.

    left: the feeds that are not up to date.
    can_slice: whether the execution's workflow definition can process items for workers that only
        fetch slices of large folders.
    """
    sliced = choose_feeds_to_slice(mailbox, left) if can_slice else ()
    at_once = mailbox.provider.max_requests_in_flight
    per_item = mailbox.provider.provider_tuning.feeds_to_read_per_connection
    work = split_feeds_into_map_items([each.ref for each in left], per_item, sliced, at_once)
    return {**work, "atOnce": at_once}


def split_feeds_into_map_items(
    feeds: Sequence[FeedRef],
    per_item: int,
    sliced_ids: Collection[FeedId] = (),
    max_in_flight: int = 1,
) -> dict[str, Any]:
    """Divide change feeds into the items of the workflow's Map state, at most
    `MAX_ITEMS_PER_MAP_STATE`. The feeds of one item are read one after the other; items are
    processed in parallel.

    Each item also has the ids of the feeds' folders, for people who look at an execution. These ids
    are left out if there are more than `MAX_FEEDS_TO_ADD_FOLDER_IDS` feeds. The result also has
    `folderIds`, the ids of all folders, which only the previous release's workflow definition
    reads.

    If feeds are read in slices, further items are added for workers that only fetch slices. The
    field `slice` of an item is the number of its worker: `FEED_READING_WORKER_NUMBER` if the
    worker reads a sliced feed, a larger number if the worker only fetches slices, and otherwise
    null.

    feeds: the feeds, in the order in which their reading starts.
    per_item: number of feeds per item that suits the provider best.
    sliced_ids: ids of the feeds that are read in slices; see `choose_feeds_to_read_in_slices`.
    max_in_flight: number of items that are processed in parallel.
    """
    parts = [feeds[start : start + per_item] for start in range(0, len(feeds), per_item)]
    if len(parts) > MAX_ITEMS_PER_MAP_STATE:
        # Large folders stay alone in their items, so that small folders do not wait for them.
        half = MAX_ITEMS_PER_MAP_STATE // 2
        parts = parts[:half] + [feeds[half * per_item + start :: half] for start in range(half)]
    named = feeds if len(feeds) <= MAX_FEEDS_TO_ADD_FOLDER_IDS else ()
    items = [_map_item(part, None, has_names=bool(named)) for part in parts]
    if sliced_ids:
        items = _with_slices(
            items, [feed for feed in feeds if feed.id in sliced_ids], max_in_flight
        )
    return {"items": items, "folderIds": _folder_ids(feeds)}


def _with_slices(
    items: Sequence[dict[str, Any]], sliced: Sequence[FeedRef], max_in_flight: int
) -> list[dict[str, Any]]:
    """Add one item for each worker that only fetches slices. The order of the result is: the items
    up to the last feed that is read in slices; as many items of the smallest folders as items are
    added; the added items; all other items, joined in pairs. Reading the smallest folders takes
    about as long as the provider needs to name the first messages of the feeds that are read in
    slices."""
    of_feed = [any(feed.id in item["feeds"] for feed in sliced) for item in items]
    begun = len(of_feed) - of_feed[::-1].index(True)
    first, others = items[:begun], items[begun:]
    helpers = max_in_flight - len(sliced)
    rest = max(0, len(others) - helpers)
    return [
        *(
            item | {"slice": FEED_READING_WORKER_NUMBER} if is_sliced else item
            for item, is_sliced in zip(first, of_feed[:begun], strict=True)
        ),
        *others[rest:],
        *(_map_item(sliced, number, has_names=True) for number in range(1, helpers + 1)),
        *_in_pairs(others[:rest], max_in_flight),
    ]


def _in_pairs(items: Sequence[dict[str, Any]], workers: int) -> list[dict[str, Any]]:
    """Join items in pairs, so that the items that `_with_slices` adds cause no additional state
    transitions. In a mailbox with many folders join more items, so that each worker gets four
    joined items."""
    pairs = min(math.ceil(len(items) / 2), 4 * workers)
    count = max(1, math.ceil(pairs / workers)) * workers
    return [_joined(items[start::count]) for start in range(min(count, len(items)))]


def _joined(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    named = {name: [each for item in items for each in item[name]] for name in ("feeds", "folders")}
    return {**named, "slice": None}


def _map_item(feeds: Sequence[FeedRef], worker: int | None, *, has_names: bool) -> dict[str, Any]:
    folder_ids = _folder_ids(feeds if has_names else ())
    return {"feeds": [feed.id for feed in feeds], "folders": folder_ids, "slice": worker}


def _folder_ids(feeds: Sequence[FeedRef]) -> list[FolderId]:
    return [feed.folder.id for feed in feeds if feed.folder]


def feed_ids_of_state_input(state: Mapping[str, Any], feeds: FeedStore) -> tuple[FeedId, ...]:
    """Return the ids of the feeds in the input of a state inside the workflow's Map, the feed that
    is being read first.

    The input names a folder instead of feeds if a person has invoked the Lambda function, or if the
    previous release started the execution. The result is then the feed of this folder.

    Raises:
        FolderGone: the account has no such folder.
    """
    if "feeds" in state:
        return tuple(FeedId(each) for each in state["feeds"])
    return (feeds.feed_id_of_folder(state["accountId"], FolderId(state["folderId"])),)
