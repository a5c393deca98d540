import pytest

from mailsync.decisions.due import (
    ACTIVE_INTERVAL_S,
    EXECUTION_DIED,
    FOLDERS_FAILED,
    INACTIVE_INTERVAL_S,
    MAX_BACKOFF_S,
    MAX_FAILED_FOLDERS_BACKOFF_S,
    PUSH_INTERVAL_S,
    VERIFICATION_FAILED,
    seconds_until_subscription_renewal,
    seconds_until_subscription_retry,
    seconds_until_sync_after_failure,
    seconds_until_sync_after_success,
)


def test_a_failing_mailbox_is_asked_ever_more_rarely_but_once_a_day_at_least() -> None:
    waits = [
        seconds_until_sync_after_failure(failures=each, cause="StoreRejected", jitter=0.5)
        for each in range(12)
    ]

    assert waits[0] == ACTIVE_INTERVAL_S
    assert waits == sorted(waits)
    assert waits[-1] == MAX_BACKOFF_S


@pytest.mark.parametrize("cause", [FOLDERS_FAILED, VERIFICATION_FAILED])
def test_one_bad_folder_does_not_make_the_mail_of_the_others_a_day_late(cause: str) -> None:
    waits = [
        seconds_until_sync_after_failure(failures=each, cause=cause, jitter=0.5)
        for each in range(12)
    ]

    assert waits == sorted(waits)
    assert waits[-1] == MAX_FAILED_FOLDERS_BACKOFF_S


def test_mailboxes_that_failed_together_come_back_apart() -> None:
    waits = {
        seconds_until_sync_after_failure(failures=1, cause="FoldersFailed", jitter=each / 10)
        for each in range(10)
    }

    assert len(waits) == 10


def test_an_execution_that_died_is_taken_up_at_once_but_not_for_ever() -> None:
    assert seconds_until_sync_after_failure(failures=1, cause=EXECUTION_DIED, jitter=0.5) == 0
    assert (
        seconds_until_sync_after_failure(failures=2, cause=EXECUTION_DIED, jitter=0.5)
        > ACTIVE_INTERVAL_S
    )


def test_a_mailbox_with_push_is_asked_more_rarely_but_still_asked() -> None:
    waits = [
        seconds_until_sync_after_success(
            has_news=False, is_pushed=each, unchanged_for_s=0, jitter=0.5
        )
        for each in (False, True)
    ]

    assert waits == [ACTIVE_INTERVAL_S, PUSH_INTERVAL_S]


def test_a_quiet_mailbox_is_asked_ever_more_rarely_but_every_quarter_of_an_hour_at_least() -> None:
    hours = (0, 1, 2, 3, 24, 24 * 365)
    waits = [
        seconds_until_sync_after_success(
            has_news=False, is_pushed=False, unchanged_for_s=each * 3600, jitter=0.5
        )
        for each in hours
    ]

    assert waits == [
        ACTIVE_INTERVAL_S,
        ACTIVE_INTERVAL_S,
        600,
        INACTIVE_INTERVAL_S,
        INACTIVE_INTERVAL_S,
        INACTIVE_INTERVAL_S,
    ]
    assert INACTIVE_INTERVAL_S == 15 * 60


def test_what_came_while_a_sync_was_under_way_is_asked_for_at_once() -> None:
    assert (
        seconds_until_sync_after_success(
            has_news=True, is_pushed=True, unchanged_for_s=0, jitter=0.9
        )
        == 0
    )


def test_a_subscription_is_renewed_before_half_of_it_is_over_and_then_often_enough() -> None:
    lasts_s = 4_200 * 60
    again = [seconds_until_subscription_retry(failures=each, jitter=1) for each in range(1, 9)]

    assert seconds_until_subscription_renewal(lasts_s=lasts_s, jitter=1) <= lasts_s / 2
    assert again == sorted(again)
    assert sum(again[:8]) < lasts_s / 2
