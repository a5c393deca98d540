import pytest

from mailsync.decisions.due import (
    EXECUTION_DIED_ERROR_NAME,
    FOLDERS_FAILED_ERROR_NAME,
    MAX_SYNC_BACKOFF_IF_FOLDERS_DIFFER_S,
    MAX_SYNC_BACKOFF_IF_FOLDERS_FAILED_S,
    MAX_SYNC_BACKOFF_S,
    SYNC_INTERVAL_OF_ACTIVE_MAILBOX_S,
    SYNC_INTERVAL_OF_INACTIVE_MAILBOX_S,
    SYNC_INTERVAL_OF_SUBSCRIBED_MAILBOX_S,
    VERIFICATION_FAILED_ERROR_NAME,
    needs_another_check_worker,
    seconds_until_subscription_renewal,
    seconds_until_subscription_retry,
    seconds_until_sync_after_failure,
    seconds_until_sync_after_success,
)


def after_failure(failures: int, cause: str = "StoreRejected", jitter: float = 0.5) -> float:
    return seconds_until_sync_after_failure(failures=failures, cause=cause, jitter=jitter)


def after_success(
    *, has_news: bool = False, is_pushed: bool = False, unchanged_for_s: float = 0
) -> float:
    return seconds_until_sync_after_success(
        has_news=has_news, is_pushed=is_pushed, unchanged_for_s=unchanged_for_s, jitter=0.5
    )


@pytest.mark.parametrize(
    ("cause", "longest"),
    [
        ("StoreRejected", MAX_SYNC_BACKOFF_S),
        (FOLDERS_FAILED_ERROR_NAME, MAX_SYNC_BACKOFF_IF_FOLDERS_FAILED_S),
        (VERIFICATION_FAILED_ERROR_NAME, MAX_SYNC_BACKOFF_IF_FOLDERS_DIFFER_S),
    ],
)
def test_a_failing_mailbox_is_asked_ever_more_rarely_but_once_a_day_at_least(
    cause: str, longest: float
) -> None:
    """One bad folder does not make the mail of the others a day late."""
    waits = [after_failure(failures, cause) for failures in range(12)]

    assert waits[0] == SYNC_INTERVAL_OF_ACTIVE_MAILBOX_S
    assert waits == sorted(waits)
    assert waits[-1] == longest


def test_mailboxes_that_failed_together_come_back_apart() -> None:
    assert len({after_failure(1, jitter=each / 10) for each in range(10)}) == 10


def test_an_execution_that_died_is_taken_up_at_once_but_not_for_ever() -> None:
    assert after_failure(1, EXECUTION_DIED_ERROR_NAME) == 0
    assert after_failure(2, EXECUTION_DIED_ERROR_NAME) > SYNC_INTERVAL_OF_ACTIVE_MAILBOX_S


def test_a_mailbox_with_push_is_asked_more_rarely_but_still_asked() -> None:
    waits = [after_success(is_pushed=each) for each in (False, True)]

    assert waits == [SYNC_INTERVAL_OF_ACTIVE_MAILBOX_S, SYNC_INTERVAL_OF_SUBSCRIBED_MAILBOX_S]


def test_a_quiet_mailbox_is_asked_ever_more_rarely_but_every_quarter_of_an_hour_at_least() -> None:
    waits = [after_success(unchanged_for_s=hours * 3600) for hours in (0, 1, 2, 3, 24, 24 * 365)]

    assert waits == [
        *[SYNC_INTERVAL_OF_ACTIVE_MAILBOX_S] * 2,
        600,
        *[SYNC_INTERVAL_OF_INACTIVE_MAILBOX_S] * 3,
    ]
    assert SYNC_INTERVAL_OF_INACTIVE_MAILBOX_S == 15 * 60


def test_what_came_while_a_sync_was_under_way_is_asked_for_at_once() -> None:
    assert after_success(has_news=True, is_pushed=True) == 0


def test_a_subscription_is_renewed_before_half_of_it_is_over_and_then_often_enough() -> None:
    lasts_s = 4_200 * 60
    again = [seconds_until_subscription_retry(failures=each, jitter=1) for each in range(1, 9)]

    assert seconds_until_subscription_renewal(lasts_s=lasts_s, jitter=1) <= lasts_s / 2
    assert again == sorted(again)
    assert sum(again[:8]) < lasts_s / 2


@pytest.mark.parametrize(
    ("waits_s", "working", "needed"),
    [
        ([], 0, False),
        ([0.0], 0, True),
        ([0.0], 1, False),
        ([0.0] * 10, 1, False),
        ([0.0] * 11, 1, True),
        ([0.0] * 11, 2, False),
        ([2.5], 1, True),
        ([], 2, False),
    ],
)
def test_another_function_is_needed_if_those_that_work_do_not_suffice(
    waits_s: list[float], working: int, *, needed: bool
) -> None:
    assert needs_another_check_worker(waits_s, working) is needed
