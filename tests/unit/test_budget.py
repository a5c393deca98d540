import pytest

from mailsync.decisions import budget


def test_no_page_is_begun_that_may_not_end_before_the_time_out() -> None:
    assert budget.has_time_for_page(remaining_s=60, slowest_page_s=15)
    assert not budget.has_time_for_page(remaining_s=60, slowest_page_s=25)


def test_a_pause_is_never_shorter_than_asked_and_doubles_with_each_repeat() -> None:
    assert budget.compute_retry_pause_s(2.128, repeat=0, jitter=0) == 2.128
    assert budget.compute_retry_pause_s(2, repeat=1, jitter=0.8) == pytest.approx(4.8)
    assert budget.compute_retry_pause_s(0, repeat=0, jitter=0) > 0


def test_all_pauses_of_a_request_fit_before_the_time_out() -> None:
    pauses = [
        budget.MAX_PAUSE_WITHOUT_WAIT_STATE_S / 2**each
        for each in range(budget.MAX_PAUSES_PER_REQUEST)
    ]

    assert sum(pauses) * 1.25 < budget.RESERVED_TIME_BEFORE_LAMBDA_TIMEOUT_S


def test_the_wait_is_whole_seconds_between_one_and_an_hour() -> None:
    assert budget.compute_wait_state_duration_s(2.128) == 3
    assert budget.compute_wait_state_duration_s(0) == 1
    assert budget.compute_wait_state_duration_s(301) == 301
    assert budget.compute_wait_state_duration_s(7200) == 3600


def test_page_sizes_shrink_to_one_and_grow_back_to_the_largest() -> None:
    sizes = [100]
    while sizes[-1] > 1:
        sizes.append(budget.shrink_page_size(sizes[-1]))
    while sizes[-1] < 100:
        sizes.append(budget.grow_page_size(sizes[-1], 100))

    assert min(sizes) == 1
    assert sizes[-1] == 100
