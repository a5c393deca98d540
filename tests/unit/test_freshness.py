"""Which change feeds a sync reads, and how much of the folder tree a check reads."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsync.decisions.freshness import (
    MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX,
    MAX_LAST_CHANGE_AGE_OF_ACTIVE_FOLDER,
    MAX_TIME_BETWEEN_HIDDEN_FOLDER_SEARCHES,
    MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED,
    choose_feeds_to_read,
    choose_folder_tree_reading_mode,
)
from mailsync.model import FolderTreeReadingMode, RemoteId, StoredFolder
from tests.support.builders import A_MOMENT, a_known_folder

NOW = A_MOMENT
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
FIVE_MINUTES_S, TWELFTH = 300.0, 10


def inactive(
    number: int, ago: timedelta = MINUTE, active_at: datetime | None = None
) -> StoredFolder:
    return a_known_folder(
        number, f"F{number}", feed_read_at=NOW - ago, last_change_found_at=active_at
    )


MANY = [inactive(each) for each in range(12 * TWELFTH)]
READ_LONG_AGO = inactive(900, MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED)


def read(folders: list[StoredFolder], *moved: str, since_s: float = 0.0) -> list[int]:
    ids = [RemoteId(each) for each in moved]
    return [each.ref.id for each in choose_feeds_to_read(folders, ids, now=NOW, since_s=since_s)]


def test_a_small_mailbox_is_read_whole() -> None:
    few = MANY[:MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX]

    assert len(read(few)) == MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX
    assert read(MANY[: MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX + 1]) == []


@pytest.mark.parametrize(
    ("folder", "is_read"),
    [
        (inactive(900, active_at=NOW - MAX_LAST_CHANGE_AGE_OF_ACTIVE_FOLDER + SECOND), True),
        (inactive(900, active_at=NOW - MAX_LAST_CHANGE_AGE_OF_ACTIVE_FOLDER), False),
        (a_known_folder(900, "F900", feed_read_at=None), True),
        (READ_LONG_AGO, True),
        (inactive(900, MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED - SECOND), False),
    ],
    ids=["active", "inactive", "never read", "overdue", "read within the hour"],
)
def test_in_a_large_mailbox_a_folder_is_read_where_a_change_is_likely_or_it_is_time(
    folder: StoredFolder, is_read: bool
) -> None:
    assert read([*MANY, folder]) == ([900] if is_read else [])


def test_a_folder_whose_count_has_moved_is_read() -> None:
    assert read(MANY, "F7", "unknown") == [7]


def test_inactive_folders_take_turns_the_one_that_was_read_longest_ago_first() -> None:
    folders = [inactive(each, MINUTE * (each % 50)) for each in range(12 * TWELFTH)]

    found = read(folders, since_s=FIVE_MINUTES_S)

    assert len(found) == TWELFTH
    assert [each % 50 for each in found] == [49, 49, 48, 48, 47, 47, 46, 46, 45, 45]


def test_a_sync_that_a_person_asks_for_reads_every_folder() -> None:
    assert len(read(MANY, since_s=float("inf"))) == len(MANY)


def test_the_share_is_at_least_one_folder_and_at_most_all() -> None:
    assert len(read(MANY, since_s=1.0)) == 1
    assert len(read(MANY, since_s=7200.0)) == len(MANY)


@pytest.mark.parametrize(
    ("whole_ago", "thorough_ago", "reading"),
    [
        (None, None, FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS),
        (SECOND, None, FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS),
        (
            SECOND,
            MAX_TIME_BETWEEN_HIDDEN_FOLDER_SEARCHES,
            FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS,
        ),
        (None, SECOND, FolderTreeReadingMode.ALL_LISTED_FOLDERS),
        (
            MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED,
            MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED,
            FolderTreeReadingMode.ALL_LISTED_FOLDERS,
        ),
        (
            MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED - SECOND,
            MAX_TIME_BETWEEN_HIDDEN_FOLDER_SEARCHES - SECOND,
            FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS,
        ),
    ],
)
def test_the_tree_is_read_whole_each_hour_and_thoroughly_each_day(
    whole_ago: timedelta | None, thorough_ago: timedelta | None, reading: FolderTreeReadingMode
) -> None:
    whole_at, thorough_at = (
        NOW - ago if ago is not None else None for ago in (whole_ago, thorough_ago)
    )

    assert (
        choose_folder_tree_reading_mode(now=NOW, whole_at=whole_at, thorough_at=thorough_at)
        is reading
    )


CHECKS_S = st.lists(st.integers(30, 1200), min_size=1, max_size=40)
FOLDERS = st.integers(MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX + 1, 90)


@given(FOLDERS, CHECKS_S)
def test_each_folder_is_read_within_the_hour_and_no_check_reads_more_than_its_share(
    number: int, checks_s: list[int]
) -> None:
    """As far as checks come at all: between two of them nothing is read."""
    now = A_MOMENT
    read_at = dict.fromkeys(range(number), now)
    for since_s in checks_s:
        now += timedelta(seconds=since_s)
        folders = [a_known_folder(each, feed_read_at=at) for each, at in read_at.items()]
        found = choose_feeds_to_read(folders, (), now=now, since_s=since_s)
        for feed in found:
            read_at[feed.ref.id] = now

        assert len({feed.ref.id for feed in found}) == len(found)
        assert (
            len(found)
            <= number * since_s / MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED.total_seconds() + 1
        )
        assert all(now - each < MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED for each in read_at.values())
