import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsync.decisions.safety import (
    MIN_SUSPICIOUS_REMOVAL_MESSAGES,
    is_removal_of_most_messages,
    is_suspicious_removal_from_folder,
)

NUMBERS = st.integers(0, 300)


@pytest.mark.parametrize(
    ("stored", "removing", "remote_total", "is_suspicious"),
    [
        (1000, 1000, 1000, True),
        (1000, 1000, 0, False),
        (1000, 30, 1000, False),
        (10, 10, 10, False),
        (1000, 900, 100, False),
        (1000, 900, None, True),
        (1000, 30, None, False),
    ],
    ids=[
        *("all of a full folder", "of an emptied one", "a few", "small", "as the provider counts"),
        *("of an uncounted one", "a few of an uncounted one"),
    ],
)
def test_a_full_sync_that_misses_most_of_a_full_folder_is_doubted(
    stored: int, removing: int, remote_total: int | None, is_suspicious: bool
) -> None:
    found = is_suspicious_removal_from_folder(
        stored=stored, removing=removing, remote_total=remote_total
    )

    assert found == is_suspicious


def test_most_is_more_than_half_and_more_than_a_handful() -> None:
    assert is_removal_of_most_messages(stored=1000, removing=501)
    assert not is_removal_of_most_messages(stored=1000, removing=500)
    assert is_removal_of_most_messages(stored=20, removing=20)
    assert not is_removal_of_most_messages(stored=19, removing=19)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_whoever_removes_more_is_not_less_suspicious(
    stored: int, removing: int, remote_total: int
) -> None:
    more = min(stored, removing + 1)

    if is_removal_of_most_messages(stored=stored, removing=removing):
        assert removing >= MIN_SUSPICIOUS_REMOVAL_MESSAGES
        assert removing > stored / 2
        assert is_removal_of_most_messages(stored=stored, removing=max(more, removing))
    if is_suspicious_removal_from_folder(
        stored=stored, removing=removing, remote_total=remote_total
    ):
        assert is_removal_of_most_messages(stored=stored, removing=removing)
        assert is_suspicious_removal_from_folder(
            stored=stored, removing=removing, remote_total=remote_total + 1
        )
