"""Which folders are read in slices, and by which items of the Map."""

import pytest

from mailsync.decisions.slices import (
    INITIAL_MESSAGES_PER_SLICE,
    MAX_MESSAGES_OF_UNSLICED_FOLDER,
    MAX_MESSAGES_PER_SLICE,
    choose_feeds_to_read_in_slices,
    choose_next_slice_message_count,
    should_use_slices_after_first_slice,
)
from mailsync.model import (
    FeedId,
    FeedPosition,
    FeedRef,
    FolderId,
    FolderRef,
    RemoteId,
    SealedSecret,
    StoredFeed,
    TimeSlicePage,
)
from mailsync.sync.map_items import split_feeds_into_map_items

NEW = FeedPosition(None, 1, True)
LARGE = MAX_MESSAGES_OF_UNSLICED_FOLDER + 1


def a_feed(number: int, position: FeedPosition = NEW) -> StoredFeed:
    folder = FolderRef(FolderId(number), RemoteId(f"F{number}"))
    return StoredFeed(FeedRef(FeedId(number), folder), position)


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        ([LARGE, 1], [0]),
        ([MAX_MESSAGES_OF_UNSLICED_FOLDER, 1], []),
        ([LARGE, LARGE, LARGE], [0, 1, 2]),
        ([LARGE] * 4, []),
        ([40 * LARGE, *[LARGE] * 11], [0]),
        ([4 * LARGE, 3 * LARGE, LARGE, LARGE, LARGE], [0, 1]),
    ],
)
def test_large_folders_are_sliced_while_workers_are_left(
    totals: list[int], expected: list[int]
) -> None:
    feeds = [a_feed(number) for number in range(len(totals))]
    counts = {FeedId(number): total for number, total in enumerate(totals)}

    assert list(choose_feeds_to_read_in_slices(feeds, counts, (), 4)) == expected


@pytest.mark.parametrize(
    "position",
    [
        FeedPosition(SealedSecret(1, b"half read"), 1, True),
        FeedPosition(None, 2, True, feed_kind_index=1),
        FeedPosition(None, 1, True, messages_per_page=25),
    ],
)
def test_a_feed_that_was_begun_or_failed_goes_on_as_it_is(position: FeedPosition) -> None:
    feed = a_feed(1, position)

    assert choose_feeds_to_read_in_slices([feed], {FeedId(1): LARGE}, (), 4) == ()
    assert choose_feeds_to_read_in_slices([feed], {FeedId(1): LARGE}, {FeedId(1)}, 4) == (
        FeedId(1),
    )


def test_a_first_slice_with_a_fifth_of_its_messages_is_useful() -> None:
    assert should_use_slices_after_first_slice(20, 100)
    assert not should_use_slices_after_first_slice(19, 100)


@pytest.mark.parametrize(
    ("size", "claimed", "size_kb", "expected"),
    [
        (100, 100, 500, 125),
        (180, 180, 500, MAX_MESSAGES_PER_SLICE),
        (200, 200, 8_000, 153),
        (100, 100, 8_000, INITIAL_MESSAGES_PER_SLICE),
        (40, 40, 8_000, 50),
        (200, 200, None, 100),
        (1, 1, None, 1),
    ],
)
def test_slices_grow_as_long_as_their_pages_are_small(
    size: int, claimed: int, size_kb: int | None, expected: int
) -> None:
    page = None if size_kb is None else TimeSlicePage((), True, size_kb * 1024)

    assert choose_next_slice_message_count(size, claimed, page) == expected


@pytest.mark.parametrize(
    ("folders", "sliced", "expected"),
    [
        (1, [0], [([0], 0), ([0], 1), ([0], 2), ([0], 3)]),
        (
            6,
            [0],
            [
                *(([0], 0), ([3], None), ([4], None), ([5], None)),
                *(([0], 1), ([0], 2), ([0], 3), ([1], None), ([2], None)),
            ],
        ),
        (
            12,
            [0],
            [
                *(([0], 0), ([9], None), ([10], None), ([11], None)),
                *(([0], 1), ([0], 2), ([0], 3)),
                *(([number, number + 4], None) for number in range(1, 5)),
            ],
        ),
        (3, [1, 2], [([0], None), ([1], 0), ([2], 0), ([1, 2], 1), ([1, 2], 2)]),
        (2, [], [([0], None), ([1], None)]),
    ],
)
def test_the_smallest_folders_come_before_the_workers_that_help(
    folders: int, sliced: list[int], expected: list[tuple[list[int], int | None]]
) -> None:
    feeds = [a_feed(number).ref for number in range(folders)]

    work = split_feeds_into_map_items(feeds, 1, [FeedId(each) for each in sliced], 4)

    assert [(item["feeds"], item["slice"]) for item in work["items"]] == expected
