from hypothesis import given
from hypothesis import strategies as st

from mailsync.decisions.safety import (
    MIN_SUSPICIOUS_MESSAGES,
    is_most_of_mailbox,
    is_removal_suspicious,
)

NUMBERS = st.integers(0, 300)


def test_a_walk_that_shows_nothing_of_a_full_folder_is_doubted() -> None:
    assert is_removal_suspicious(stored=1000, removing=1000, remote_total=1000)


def test_a_walk_that_shows_nothing_of_an_emptied_folder_is_believed() -> None:
    assert not is_removal_suspicious(stored=1000, removing=1000, remote_total=0)


def test_a_walk_that_misses_a_few_is_believed() -> None:
    assert not is_removal_suspicious(stored=1000, removing=30, remote_total=1000)


def test_a_small_folder_may_be_emptied() -> None:
    assert not is_removal_suspicious(stored=10, removing=10, remote_total=10)


def test_a_walk_that_misses_most_but_leaves_what_the_provider_counts_is_believed() -> None:
    assert not is_removal_suspicious(stored=1000, removing=900, remote_total=100)


def test_most_is_more_than_half_and_more_than_a_handful() -> None:
    assert is_most_of_mailbox(stored=1000, removing=501)
    assert not is_most_of_mailbox(stored=1000, removing=500)
    assert is_most_of_mailbox(stored=20, removing=20)
    assert not is_most_of_mailbox(stored=19, removing=19)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_whoever_removes_more_is_not_less_suspicious(
    stored: int, removing: int, remote_total: int
) -> None:
    more = min(stored, removing + 1)

    if is_most_of_mailbox(stored=stored, removing=removing):
        assert removing >= MIN_SUSPICIOUS_MESSAGES
        assert removing > stored / 2
        assert is_most_of_mailbox(stored=stored, removing=max(more, removing))
    if is_removal_suspicious(stored=stored, removing=removing, remote_total=remote_total):
        assert is_most_of_mailbox(stored=stored, removing=removing)
        assert is_removal_suspicious(
            stored=stored, removing=removing, remote_total=remote_total + 1
        )
