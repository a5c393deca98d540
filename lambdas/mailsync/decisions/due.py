"""Compute when a mailbox is synced next, and when its push subscription is renewed."""

from collections.abc import Mapping, Sequence

MAX_DUE_MAILBOXES_CLAIMED_AT_ONCE = 3000
"""The maximum number of mailboxes that one tick claims, the longest overdue first. A tick is one
invocation of the schedule `start-due-syncs`, once a minute. With 10,000 mailboxes and an interval
of 5 minutes, 2,000 mailboxes become due in a minute. The limit is 1.5 times this number. After an
outage 10,000 overdue mailboxes are spread over four minutes."""
DUE_MAILBOX_CLAIM_LIFETIME_S = 600
"""The lifetime in seconds of a worker's claim on a due mailbox. If the worker dies, the claim ends
after this time."""
NOTIFIED_MAILBOX_CLAIM_LIFETIME_S = 60
"""The lifetime in seconds of a worker's claim on a mailbox for which a notification arrived."""
MIN_AVERAGE_TIME_BETWEEN_NOTIFIED_CHECKS_S = 15
"""The minimum average number of seconds between two checks of a mailbox that notifications start.
Two such checks may follow each other without a pause. The usual check of a mailbox with 1,000
folders is 111 requests. So notifications cause at most half of the 10,000 requests that Microsoft
Graph allows in ten minutes."""
MAX_WORKERS_FOR_NOTIFIED_MAILBOXES = 4
"""The maximum number of functions that check notified mailboxes at the same time. An AWS account
may have only 10 concurrent functions, and the scheduled checks need some of them."""
MAX_PARALLEL_CHECKS_PER_NOTIFIED_MAILBOX_WORKER = 10
"""The number of notified mailboxes that one function checks in parallel."""
MAX_WAITING_MAILBOXES_COUNTED = (
    MAX_WORKERS_FOR_NOTIFIED_MAILBOXES * MAX_PARALLEL_CHECKS_PER_NOTIFIED_MAILBOX_WORKER
)
"""The maximum number of waiting notified mailboxes that are counted to decide whether another
function is needed. More mailboxes would not change the decision."""
MAX_WAIT_BEFORE_ADDING_CHECK_WORKER_S = 2.0
"""The seconds that a notified mailbox waits for the functions that already check notified
mailboxes. A function with a free thread looks for waiting mailboxes every second. So no thread is
free if a mailbox has waited longer than this, and another function is invoked."""
SCHEDULED_CHECK_DELAY_IF_NOTIFIED_S = 60.0
"""The seconds for which a tick of the schedule leaves a notified mailbox to functions that check
notified mailboxes. After this time the tick claims the mailbox like any due mailbox. Without this
delay, a tick after a thousand notifications would start 20 more functions, with ten connections to
the database each."""
CHECK_WORKER_SLOT_LIFETIME_S = 60
"""The lifetime in seconds of a slot. A slot is the right of one function to check notified
mailboxes; the function renews it while it works. If the function dies or its invocation is lost,
another function may take the slot after this time."""

RECHECK_DELAY_AFTER_NOTIFIED_CHECK_S = 60
"""If a check that a notification started finds nothing new, a second check follows after this
number of seconds."""
SYNC_INTERVAL_OF_ACTIVE_MAILBOX_S = 5 * 60
"""The seconds between two syncs of a mailbox that has changed recently."""
SYNC_INTERVAL_OF_INACTIVE_MAILBOX_S = 15 * 60
"""The seconds between two syncs of a mailbox that has not changed for three hours. Readers see new
mail of such a mailbox at most this much later."""
SYNC_INTERVAL_OF_SUBSCRIBED_MAILBOX_S = 15 * 60
"""The seconds between two syncs of a mailbox whose provider sends notifications. These syncs are
needed because some notifications are lost."""
_INACTIVE_SHARE = 12
"""The divisor of the time since a mailbox last changed. If this time is an hour or longer, the next
sync follows after a twelfth of it, at most after `SYNC_INTERVAL_OF_INACTIVE_MAILBOX_S`."""
MAX_SYNC_BACKOFF_S = 24 * 60 * 60
MAX_SYNC_BACKOFF_IF_FOLDERS_FAILED_S = SYNC_INTERVAL_OF_INACTIVE_MAILBOX_S
"""The longest time in seconds until the next sync after failed runs, if only some folders failed.
So the mail of the other folders arrives as in a mailbox without failures, even if one folder always
fails."""
MAX_SYNC_BACKOFF_IF_FOLDERS_DIFFER_S = 60 * 60
"""The longest time in seconds until the next sync after failed runs, if only some folders were not
verified. It is longer than for failed folders, because each such run lists all messages of the
folders that differ."""

EXECUTION_DIED_ERROR_NAME = "ExecutionDied"
"""Error name of a run whose execution timed out or vanished."""

EXECUTION_STOPPED_ERROR_NAME = "ExecutionStopped"
"""Error name of a run whose execution a person stopped."""

FOLDERS_FAILED_ERROR_NAME = "FoldersFailed"
"""Error name of a run in which some folders could not be synced and the other folders were synced.
"""

VERIFICATION_FAILED_ERROR_NAME = "VerificationFailed"
"""Error name of a run that ended while folders still differed from the provider."""

SUSPICIOUS_REMOVAL_ERROR_NAME = "SuspiciousRemoval"
"""Error name that an account has while most of its mailbox is hidden as removed. The hidden mail is
deleted after the provider has confirmed the removal for a day, or when a person confirms it."""

_MAX_BACKOFF_S: Mapping[str, float] = {
    FOLDERS_FAILED_ERROR_NAME: MAX_SYNC_BACKOFF_IF_FOLDERS_FAILED_S,
    VERIFICATION_FAILED_ERROR_NAME: MAX_SYNC_BACKOFF_IF_FOLDERS_DIFFER_S,
}
ERROR_NAMES_THAT_CLOSE_ACCOUNT = frozenset({"AccessRevoked"})
"""Error names of failures that close the account."""

MIN_SUBSCRIPTION_RETRY_DELAY_S = 5 * 60
MAX_SUBSCRIPTION_RETRY_DELAY_S = 6 * 60 * 60


def needs_another_check_worker(waits_s: Sequence[float], working: int) -> bool:
    """Return whether another function must be invoked to check notified mailboxes.

    Another function is needed if a mailbox waits and no function works, if more mailboxes wait than
    the working functions can check in parallel, or if a mailbox has waited longer than
    `MAX_WAIT_BEFORE_ADDING_CHECK_WORKER_S`. Otherwise the working functions suffice. Few functions
    with many mailboxes cost less than many functions that each wait for the provider.

    waits_s: for each notified mailbox that can be checked now, the seconds that it has waited.
    working: number of functions that check notified mailboxes now.
    """
    if not waits_s or working == 0:
        return bool(waits_s)
    return (
        len(waits_s) > working * MAX_PARALLEL_CHECKS_PER_NOTIFIED_MAILBOX_WORKER
        or max(waits_s) > MAX_WAIT_BEFORE_ADDING_CHECK_WORKER_S
    )


def seconds_until_sync_after_failure(*, failures: int, cause: str | None, jitter: float) -> float:
    """Return the seconds until the next scheduled sync of a mailbox whose last run failed.

    failures: number of runs that failed in a row, including the last run.
    cause: error name of the last run. None: the account is closed. A check of a closed account
        requests an access token, and ends if it gets no token.
    jitter: random number from 0 to below 1. It changes the result by at most a tenth, so that
        mailboxes that failed together are not synced together.

    The interval doubles with each failure. Its maximum is a day. If only some folders failed, the
    maximum is 15 minutes. If only some folders were not verified, the maximum is an hour.

    Return 0 if the execution of the last run died and the run before it did not fail, because the
    mailbox did not cause the death of the execution.
    """
    if cause == EXECUTION_DIED_ERROR_NAME and failures <= 1:
        return 0.0
    doubled: float = SYNC_INTERVAL_OF_ACTIVE_MAILBOX_S * 2 ** min(failures, 10)
    longest = _MAX_BACKOFF_S.get(cause or "", MAX_SYNC_BACKOFF_S)
    return min(longest, doubled) * (0.9 + 0.2 * jitter)


def seconds_until_sync_after_success(
    *, has_news: bool, is_pushed: bool, unchanged_for_s: float, jitter: float
) -> float:
    """Return the seconds until the next scheduled sync of a mailbox after a successful sync.

    has_news: whether a notification, or a person's confirmation of a removal, arrived during the
        sync. True: the sync may have missed it, so the result is 0.
    is_pushed: whether the provider sends notifications of changes. Notifications can be lost, so
        scheduled syncs continue, every SYNC_INTERVAL_OF_SUBSCRIBED_MAILBOX_S seconds.
    unchanged_for_s: seconds since a sync last changed a row. Without notifications, the interval is
        5 minutes during the first hour, and later a twelfth of this time, at most 15 minutes.
    jitter: random number from 0 to below 1. It changes the result by at most a tenth.
    """
    if has_news:
        return 0.0
    interval = min(
        SYNC_INTERVAL_OF_INACTIVE_MAILBOX_S,
        max(SYNC_INTERVAL_OF_ACTIVE_MAILBOX_S, unchanged_for_s / _INACTIVE_SHARE),
    )
    return (SYNC_INTERVAL_OF_SUBSCRIBED_MAILBOX_S if is_pushed else interval) * (0.9 + 0.2 * jitter)


def seconds_until_subscription_renewal(*, lasts_s: float, jitter: float) -> float:
    """Return the seconds until a push subscription should be renewed: 0.4 to 0.5 of its lifetime.

    lasts_s: lifetime of the subscription in seconds. Early renewal leaves time for retries.
    jitter: random number from 0 to below 1, so that subscriptions created together are not renewed
        together.
    """
    return max(0.0, lasts_s) * (0.4 + 0.1 * jitter)


def seconds_until_subscription_retry(*, failures: int, jitter: float) -> float:
    """Return the seconds until the next attempt to create or renew a push subscription.

    The delay is five minutes after the first failure. It doubles with each failure, to at most six
    hours.

    failures: number of attempts that failed in a row.
    jitter: random number from 0 to below 1. It changes the result by at most a tenth.
    """
    doubled: float = MIN_SUBSCRIPTION_RETRY_DELAY_S * 2 ** min(failures - 1, 10)
    return min(MAX_SUBSCRIPTION_RETRY_DELAY_S, doubled) * (0.9 + 0.2 * jitter)
