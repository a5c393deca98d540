"""Compute when a mailbox is synced next, and when its push subscription is renewed."""

from collections.abc import Mapping, Sequence

MAX_MAILBOXES_CLAIMED_PER_TICK = 3000
"""The maximum number of mailboxes that one run of the schedule claims, the longest overdue first.
It is 1.5 times the number that becomes due in a minute with 10,000 mailboxes and an interval of 5
minutes. After an outage 10,000 overdue mailboxes are spread over four minutes."""
DUE_CLAIM_LIFETIME_S = 600
"""The lifetime in seconds of a worker's claim on a due mailbox. If the worker dies, the claim ends
after this time."""
NOTIFIED_CLAIM_LIFETIME_S = 60
"""The lifetime in seconds of the claim on a mailbox for which a notification arrived."""
MIN_TIME_BETWEEN_NOTIFIED_CHECKS_S = 15
"""The minimum seconds between checks of a mailbox that notifications start, in the long run. Two
checks may follow each other at once. A check of a mailbox of 1,000 folders is 111 requests, so
notifications cause at most half of the 10,000 requests in ten minutes that Microsoft Graph
allows."""
MAX_NOTIFIED_WORKERS = 4
"""The maximum number of functions that check notified mailboxes at the same time. An AWS account
may have only 10 concurrent functions, and the scheduled checks need some of them."""
MAILBOXES_PER_WORKER = 10
"""The number of notified mailboxes that one function checks in parallel."""
MAX_COUNTED_MAILBOXES = MAX_NOTIFIED_WORKERS * MAILBOXES_PER_WORKER
MAX_NOTIFIED_WAIT_S = 2.0
"""The seconds that a notified mailbox waits for the functions that are working. A function with a
free thread looks every second; after this time all are taken, so another function is needed."""
MAX_NOTIFIED_WAIT_WITHOUT_TICK_S = 60.0
"""The seconds after which the schedule claims a notified mailbox although functions work that check
such mailboxes. Without these seconds, a tick after a thousand notifications would start 20 more
functions, with ten connections each to the database."""
CHECK_SLOT_LIFETIME_S = 60
"""The seconds after which another function may take the place of one that checks notified
mailboxes, if its invocation was lost or it died."""

SYNC_INTERVAL_AFTER_NOTIFICATION_S = 60
"""The seconds until the second check after a notification, if the first check found nothing new."""
SYNC_INTERVAL_IF_ACTIVE_S = 5 * 60
"""The seconds between two syncs of a mailbox that has changed recently."""
SYNC_INTERVAL_IF_INACTIVE_S = 15 * 60
"""The seconds between two syncs of a mailbox that has not changed for hours: the longest delay of
new mail."""
SYNC_INTERVAL_IF_PUSHED_S = 15 * 60
"""The seconds between two syncs of a mailbox whose provider sends notifications. These syncs are
needed because some notifications are lost."""
_INACTIVE_SHARE = 12
"""A mailbox that has not changed for an hour waits a twelfth of that time until its next sync."""
MAX_SYNC_BACKOFF_S = 24 * 60 * 60
MAX_BACKOFF_IF_FOLDERS_FAILED_S = SYNC_INTERVAL_IF_INACTIVE_S
"""The longest time in seconds until the next sync after failed runs, if only some folders failed:
the mail of the others arrives as in a mailbox without failures, also if a folder fails forever."""
MAX_BACKOFF_IF_UNVERIFIED_S = 60 * 60
"""The longest time in seconds until the next sync after failed runs, if only some folders were not
verified: each of these runs lists all messages of the folders that differ."""

EXECUTION_DIED_ERROR = "ExecutionDied"
"""Error name of a run whose execution timed out or vanished."""

EXECUTION_STOPPED_ERROR = "ExecutionStopped"
"""Error name of a run whose execution a person stopped."""

FOLDERS_FAILED_ERROR = "FoldersFailed"
"""Error name of a run in which some folders could not be synced and the other folders were synced.
"""

VERIFICATION_FAILED_ERROR = "VerificationFailed"
"""Error name of a run that ended while folders still differed from the provider."""

SUSPICIOUS_REMOVAL_ERROR = "SuspiciousRemoval"
"""Error name that an account has while most of its mailbox is hidden as removed. The hidden mail is
deleted after the provider has confirmed the removal for a day, or when a person confirms it."""

_MAX_BACKOFF_S: Mapping[str, float] = {
    FOLDERS_FAILED_ERROR: MAX_BACKOFF_IF_FOLDERS_FAILED_S,
    VERIFICATION_FAILED_ERROR: MAX_BACKOFF_IF_UNVERIFIED_S,
}
ACCOUNT_CLOSING_ERRORS = frozenset({"AccessRevoked"})
"""Error names of failures that close the account."""

MIN_SUBSCRIPTION_RETRY_S = 5 * 60
MAX_SUBSCRIPTION_RETRY_S = 6 * 60 * 60


def needs_another_worker(waits_s: Sequence[float], working: int) -> bool:
    """Return whether another function must check notified mailboxes.

    One function that works through all costs less than many that wait for the provider apart.

    waits_s: for each notified mailbox that can be checked, the seconds that it has waited.
    working: number of functions that check notified mailboxes.
    """
    if not waits_s or working == 0:
        return bool(waits_s)
    return len(waits_s) > working * MAILBOXES_PER_WORKER or max(waits_s) > MAX_NOTIFIED_WAIT_S


def seconds_until_sync_after_failure(*, failures: int, cause: str | None, jitter: float) -> float:
    """Return the seconds until the next scheduled sync of a mailbox whose last run failed.

    failures: number of runs that failed in a row, including the last one.
    cause: error name of the last run. None: the account is closed, and a check tries again to get
        an access token.
    jitter: random number from 0 to below 1. It changes the result by at most a tenth, so that
        mailboxes that failed together are not synced together.

    The interval doubles with each failure: up to a day, up to 15 minutes if only some folders
    failed, up to an hour if only some folders were not verified. If the last run is the first
    failure in a row and its execution died, the result is 0, because the mailbox did not cause the
    failure.
    """
    if cause == EXECUTION_DIED_ERROR and failures <= 1:
        return 0.0
    doubled: float = SYNC_INTERVAL_IF_ACTIVE_S * 2 ** min(failures, 10)
    longest = _MAX_BACKOFF_S.get(cause or "", MAX_SYNC_BACKOFF_S)
    return min(longest, doubled) * (0.9 + 0.2 * jitter)


def seconds_until_sync_after_success(
    *, has_news: bool, is_pushed: bool, unchanged_for_s: float, jitter: float
) -> float:
    """Return the seconds until the next scheduled sync of a mailbox after a successful sync.

    has_news: whether a notification, or a person's confirmation of a removal, arrived during the
        sync. The sync may have missed it, so the result is 0.
    is_pushed: whether the provider sends notifications of changes; they can be lost, so scheduled
        syncs continue.
    unchanged_for_s: seconds since a sync last changed a row. During the first hour the interval is
        5 minutes. Later it is a twelfth of this time, at most 15 minutes.
    jitter: random number from 0 to below 1. It changes the result by at most a tenth.
    """
    if has_news:
        return 0.0
    interval = min(
        SYNC_INTERVAL_IF_INACTIVE_S,
        max(SYNC_INTERVAL_IF_ACTIVE_S, unchanged_for_s / _INACTIVE_SHARE),
    )
    return (SYNC_INTERVAL_IF_PUSHED_S if is_pushed else interval) * (0.9 + 0.2 * jitter)


def seconds_until_subscription_renewal(*, lasts_s: float, jitter: float) -> float:
    """Return the seconds until a push subscription should be renewed: 0.4 to 0.5 of its lifetime.

    lasts_s: lifetime of the subscription in seconds. Early renewal leaves time for retries.
    jitter: random number from 0 to below 1, so that subscriptions created together are not renewed
        together.
    """
    return max(0.0, lasts_s) * (0.4 + 0.1 * jitter)


def seconds_until_subscription_retry(*, failures: int, jitter: float) -> float:
    """Return the seconds until the next attempt to create or renew a push subscription.

    failures: number of attempts that failed in a row.
    """
    doubled: float = MIN_SUBSCRIPTION_RETRY_S * 2 ** min(failures - 1, 10)
    return min(MAX_SUBSCRIPTION_RETRY_S, doubled) * (0.9 + 0.2 * jitter)
