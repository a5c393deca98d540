"""When a mailbox is asked again, and when its provider is told again to notify us."""

MAX_PER_TICK = 3000
"""Mailboxes that a tick claims, the oldest first: half as many again as come due in a minute where
10,000 are asked every 5. 10,000 that an outage left behind are jitter over four minutes."""
CLAIMED_FOR_S = 600
"""A claim ends by itself, should nobody come to look at the mailbox."""

ACTIVE_INTERVAL_S = 5 * 60
"""From one sync of a mailbox to the next while it changes."""
INACTIVE_INTERVAL_S = 15 * 60
"""The same for a mailbox in which nothing has happened for hours: what arrives waits no longer."""
PUSH_INTERVAL_S = 15 * 60
"""The same for a mailbox whose provider notifies us: some notifications never arrive."""
_INACTIVE_SHARE = 12
"""A mailbox that has been inactive for an hour is asked after the twelfth part of it, and so on."""
MAX_BACKOFF_S = 24 * 60 * 60
MAX_PARTIAL_BACKOFF_S = 60 * 60
"""The same where the mailbox is synced but for some folders, or not verified."""

EXECUTION_DIED = "ExecutionDied"
"""The name under which a run is closed whose execution timed out or vanished."""

EXECUTION_STOPPED = "ExecutionStopped"
"""The same for one that a person stopped."""

FOLDERS_FAILED = "FoldersFailed"
"""The name of a run in which folders could not be synced, and the others were."""

VERIFICATION_FAILED = "VerificationFailed"
"""The name of a run after which folders still differ from the provider."""

SUSPICIOUS_REMOVAL = "SuspiciousRemoval"
"""What an account shows whose mailbox seems to be emptied: most of it is hidden, and not deleted
before the provider has said so for a day or a person confirms it."""

ACCOUNT_CLOSING_ERRORS = frozenset({"AccessRevoked"})
"""Names of failures that close the account."""

MIN_RENEWAL_RETRY_S = 5 * 60
MAX_RENEWAL_RETRY_S = 6 * 60 * 60


def next_sync_in_s(*, failures: int, cause: str | None, jitter: float) -> float:
    """Seconds until the next sync, `failures` in a row after the run that ended by `cause`.

    Doubles with each failure, at most to a day, or to an hour where only folders failed. `jitter`
    is a random number in [0, 1): it moves the time by up to a tenth either way, so that mailboxes
    which failed together do not come back together. The first execution that died is taken up at
    once, since nothing speaks against the mailbox. A closed account that is tried again waits as
    long.
    """
    if cause == EXECUTION_DIED and failures <= 1:
        return 0.0
    doubled: float = ACTIVE_INTERVAL_S * 2 ** min(failures, 10)
    longest = (
        MAX_PARTIAL_BACKOFF_S if cause in (FOLDERS_FAILED, VERIFICATION_FAILED) else MAX_BACKOFF_S
    )
    return min(longest, doubled) * (0.9 + 0.2 * jitter)


def next_sync_after_success_in_s(
    *, has_news: bool, is_pushed: bool, unchanged_for_s: float, jitter: float
) -> float:
    """Seconds until the next sync of a mailbox that is up to date; `jitter` as above.

    has_news: a notification arrived during the sync, possibly too late for it; sync again at once.
    is_pushed: notifications arrive. They are hints, so the mailbox is synced all the same.
    unchanged_for_s: seconds since a sync last changed a row. The interval is 5 minutes up to an
        hour of that, then a twelfth of it, at most 15 minutes.
    """
    if has_news:
        return 0.0
    interval = min(INACTIVE_INTERVAL_S, max(ACTIVE_INTERVAL_S, unchanged_for_s / _INACTIVE_SHARE))
    return (PUSH_INTERVAL_S if is_pushed else interval) * (0.9 + 0.2 * jitter)


def renewal_in_s(*, lasts_s: float, jitter: float) -> float:
    """Seconds until a subscription that lasts so long is renewed; half of it is left for retries.

    `jitter` as above, so that those which were made together are not renewed together.
    """
    return max(0.0, lasts_s) * (0.4 + 0.1 * jitter)


def retry_renewal_in_s(*, failures: int, jitter: float) -> float:
    """Seconds until a renewal is tried again after so many failures in a row."""
    doubled: float = MIN_RENEWAL_RETRY_S * 2 ** min(failures - 1, 10)
    return min(MAX_RENEWAL_RETRY_S, doubled) * (0.9 + 0.2 * jitter)
