"""Estimate how long a run still reads new messages, from its speed so far. Pure functions."""

import math
from dataclasses import dataclass
from datetime import datetime

MIN_PAGES_FOR_ESTIMATE = 20
"""The smallest number of pages from which a speed is computed. If the times of pages vary by half
their mean, the mean of 20 is within 22 % of the true one in 19 of 20 cases (2 · 0.5 / √20)."""
MIN_READING_TIME_FOR_ESTIMATE_S = 60.0
"""The shortest reading in seconds from which a speed is computed. A shorter reading gives a
wrong speed: it includes the start of the functions (some 5 s), and the provider's speed varies."""
MAX_REREAD_MESSAGE_SHARE_FOR_ETA = 0.5
"""The largest share of already stored messages among the messages that a run has read. Above this
share the run's remaining time is not estimated, because the speed so far is mostly the speed of
messages that were stored already. It says little about the new messages that remain."""
QUOTA_WINDOW_S = 60.0
"""The seconds for which a quota grants its units."""
QUOTA_SHARE_RESERVED_FOR_NEW_MAIL = 0.1
"""The share of a quota that backfills leave to new mail."""
PENDING_MESSAGE_FETCH_BURSTS_PER_MINUTE = 8
"""The number of equal bursts in which a backfill uses up the quota of one minute. A backfill is the
fetching of the pending messages of a mailbox. New mail is read between two bursts, so new mail
waits for an eighth of a minute and not for a whole minute."""
PENDING_MESSAGE_FETCH_BURST_PERIOD_S = QUOTA_WINDOW_S / PENDING_MESSAGE_FETCH_BURSTS_PER_MINUTE
"""The seconds from the start of one burst of a backfill to the start of the next burst. A burst
consists of the requests and a pause after the requests."""
MAX_BURST_PERIODS_IF_QUOTA_LIMITS = 1.25
"""If a burst of a backfill takes longer than this factor times
PENDING_MESSAGE_FETCH_BURST_PERIOD_S, the work limits the speed of the backfill, not the quota."""


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """The quota of a mailbox at its provider, and the messages that the quota is still needed for.

    max_units_per_minute: number of units that the provider grants to the mailbox per minute.
    mailbox_units_used_in_last_minute: number of units that all syncs and checks of the mailbox took
        in the last 60 seconds.
    paused_until: end of a pause in which the provider accepts no requests. None: no pause.
    pending_message_count: number of pending messages; their contents are still to be fetched.
    units_used_by_run: number of units that the open run has used for its pages since its start.
    """

    max_units_per_minute: int
    mailbox_units_used_in_last_minute: int
    paused_until: datetime | None
    pending_message_count: int = 0
    units_used_by_run: int = 0

    @property
    def units_available_now(self) -> int:
        """Return the number of units that the mailbox can still take now: `max_units_per_minute`
        minus the units that were taken in the last minute."""
        return max(0, self.max_units_per_minute - self.mailbox_units_used_in_last_minute)


@dataclass(frozen=True, slots=True)
class ReadingProgress:
    """What a run has read so far. All numbers are 0 before the run's first page.

    newly_stored_message_count: number of messages that the run stored for the first time.
    reread_message_count: number of messages that the run read although they were stored already.
    stored_page_count: number of pages that the run has stored.
    elapsed_reading_s: seconds since the run began to read its first folder.
    sum_of_folder_reading_times_s: the sum of the reading times of all folders, in seconds. Two
        folders that are read at the same time for a minute add two minutes.
    is_paused_by_provider: whether the provider has requested a pause that has not ended.
    """

    newly_stored_message_count: int = 0
    reread_message_count: int = 0
    stored_page_count: int = 0
    elapsed_reading_s: float = 0.0
    sum_of_folder_reading_times_s: float = 0.0
    is_paused_by_provider: bool = False


def estimate_remaining_s(
    progress: ReadingProgress,
    *,
    missing: int,
    missing_in_largest_folder: int,
    quota: QuotaStatus | None = None,
) -> int | None:
    """Return the estimated number of seconds until all missing messages are stored. Return None if
    no message is missing, or if the speed so far allows no estimate.

    missing: number of messages that the run still has to store.
    missing_in_largest_folder: number of missing messages in the folder with the most of them. The
        pages of one folder are read one after the other. So the run may end with only this folder,
        and then it reads as fast as one folder can be read.
    quota: the provider's quota for the mailbox. The time in which the run waits for new units is
        part of the estimate. None: the provider has no quota.

    With speeds that were recorded from a provider, in 19 of 20 runs every estimate is within a
    factor of 1.5 of the true time, or within 20 s of the true time
    (`tests/unit/test_remaining_time.py`). The estimate is too low if the provider requests a pause
    later. The estimate is too high after a pause that has ended, because the pause counts as
    reading time.
    """
    if quota and quota.pending_message_count and progress.newly_stored_message_count:
        return math.ceil(_seconds_of_quota(progress, quota))
    is_measured = (
        progress.stored_page_count >= MIN_PAGES_FOR_ESTIMATE
        and progress.elapsed_reading_s >= MIN_READING_TIME_FOR_ESTIMATE_S
    )
    read = progress.newly_stored_message_count + progress.reread_message_count
    if (
        missing <= 0
        or not is_measured
        or progress.is_paused_by_provider
        or not progress.newly_stored_message_count
    ):
        return None
    if progress.reread_message_count > read * MAX_REREAD_MESSAGE_SHARE_FOR_ETA:
        return None
    together_s = missing * progress.elapsed_reading_s / progress.newly_stored_message_count
    alone_s = (
        missing_in_largest_folder
        * progress.sum_of_folder_reading_times_s
        / progress.newly_stored_message_count
    )
    return math.ceil(max(together_s, alone_s))


def _seconds_of_quota(progress: ReadingProgress, quota: QuotaStatus) -> float:
    """Return the estimated seconds until the pending messages are fetched (the backfill). A
    backfill takes the quota of a minute in equal bursts; a burst consists of requests and then a
    pause.

    If the quota limits the speed of the backfill, the result is the time until the last burst
    begins, because no pause follows the last requests. If the work limits the speed, the result is
    computed from the speed so far.

    The work limits the speed if two conditions hold: the bursts so far took longer than
    `MAX_BURST_PERIODS_IF_QUOTA_LIMITS` periods on average, and the reading has lasted longer than
    the periods of all bursts that have begun. Without the second condition, the start of the
    functions and the list of the messages, which take some seconds, would make the first bursts
    look slow.
    """
    at_speed_so_far_s = (
        quota.pending_message_count
        * progress.elapsed_reading_s
        / progress.newly_stored_message_count
    )
    burst_units = (
        quota.max_units_per_minute
        * (1 - QUOTA_SHARE_RESERVED_FOR_NEW_MAIL)
        / PENDING_MESSAGE_FETCH_BURSTS_PER_MINUTE
    )
    bursts_used = quota.units_used_by_run / burst_units
    bursts_begun, slowest_burst_s = (
        math.ceil(bursts_used),
        PENDING_MESSAGE_FETCH_BURST_PERIOD_S * MAX_BURST_PERIODS_IF_QUOTA_LIMITS,
    )
    is_slow = progress.elapsed_reading_s > max(
        bursts_used * slowest_burst_s, bursts_begun * PENDING_MESSAGE_FETCH_BURST_PERIOD_S
    )
    if not bursts_begun or is_slow:
        return at_speed_so_far_s
    # The pause of a burst follows its work, so the time lags behind the units within a burst.
    lag = (bursts_used - math.floor(bursts_used)) / 2
    burst_s = min(progress.elapsed_reading_s / max(1.0, bursts_used - lag), slowest_burst_s)
    bursts = math.ceil(
        bursts_used * (1 + quota.pending_message_count / progress.newly_stored_message_count)
    )
    until_last_burst_s = (bursts - 1) * max(
        burst_s, PENDING_MESSAGE_FETCH_BURST_PERIOD_S
    ) - progress.elapsed_reading_s
    return max(until_last_burst_s, min(at_speed_so_far_s, 1.0))
