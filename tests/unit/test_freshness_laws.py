"""What holds of the turns of folders, whenever the checks come."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mailsync.decisions.freshness import MAX_FEED_AGE, MAX_FOLDERS_OF_SMALL_MAILBOX, feeds_to_read
from tests.support.builders import A_MOMENT, a_known_folder

CHECKS_S = st.lists(st.integers(30, 1200), min_size=1, max_size=40)
FOLDERS = st.integers(MAX_FOLDERS_OF_SMALL_MAILBOX + 1, 90)


@given(FOLDERS, CHECKS_S)
def test_each_folder_is_read_within_the_hour_and_no_check_reads_more_than_its_share(
    number: int, checks_s: list[int]
) -> None:
    """As far as checks come at all: between two of them nothing is read."""
    now = A_MOMENT
    folders = {each: a_known_folder(each, f"F{each}", feed_read_at=now) for each in range(number)}
    for since_s in checks_s:
        now += timedelta(seconds=since_s)
        found = feeds_to_read(list(folders.values()), (), now=now, since_s=since_s)
        for folder in found:
            folders[folder.ref.id] = replace(folder, feed_read_at=now)

        assert len({folder.ref.id for folder in found}) == len(found)
        assert len(found) <= number * since_s / MAX_FEED_AGE.total_seconds() + 1
        assert all(now - (folder.feed_read_at or now) < MAX_FEED_AGE for folder in folders.values())
