"""The estimated remaining time of a run, at simulated speeds of a provider.

The speeds are those that were recorded from Microsoft Graph: 27.6 full messages a second in one
folder, and 40 % more or less some minutes later. The times of pages vary by half their mean. Four
folders are read at the same time, and the status is read every 2 s.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from mailsync.decisions.remaining_time import (
    MAX_BURST_PERIODS_IF_QUOTA_LIMITS,
    MIN_PAGES_FOR_ESTIMATE,
    MIN_READING_TIME_FOR_ESTIMATE_S,
    PENDING_MESSAGE_FETCH_BURST_PERIOD_S,
    QuotaStatus,
    ReadingProgress,
    estimate_remaining_s,
)

PAGE, AT_ONCE, PAGE_S, SHAPE, POLL_S = 100, 4, 100 / 27.6, 4, 2
SWING = (0.8, 1.2)
"""The slowest and the fastest minute, as parts of the mean page time."""
START_S, NEXT_FOLDER_S = 5.0, 1.0
"""Until a function has started, and until it has begun its next folder."""
FACTOR_ALLOWED, SECONDS_ALLOWED = 1.5, 20.0
MAILBOXES = {
    "one folder": [20_000],
    "equal folders": [1_000] * 48,
    "a large folder beside small ones": [12_000, *[400] * 30],
    "a small folder first": [300, 300, 15_000, 6_000, 6_000],
}


@dataclass
class SimulatedRun:
    """When each page of each folder was stored, in seconds since the first folder was begun."""

    folders: list[int]
    random: random.Random
    pages: list[list[float]] = field(default_factory=list)
    began: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        minutes = [self.random.uniform(*SWING) for _ in range(60)]
        free = [0.0] * AT_ONCE
        for number, messages in enumerate(self.folders):
            free.sort()
            self.began.append(free[0])
            free[0] += START_S if number < AT_ONCE else NEXT_FOLDER_S
            times: list[float] = []
            for _ in range(messages // PAGE):
                mean_s = PAGE_S * minutes[int(free[0] // 60)]
                free[0] += self.random.gammavariate(SHAPE, mean_s / SHAPE)
                times.append(free[0])
            self.pages.append(times)

    @property
    def end(self) -> float:
        return max(each[-1] for each in self.pages)

    def estimates(self) -> Iterator[tuple[float, int | None]]:
        """The true remaining time at each reading of the status, and the estimate."""
        for now in range(0, int(self.end), POLL_S):
            stored = [sum(at <= now for at in times) * PAGE for times in self.pages]
            missing = [all_ - each for all_, each in zip(self.folders, stored, strict=True)]
            folder_reading_s = [
                min(now, times[-1]) - began
                for began, times in zip(self.began, self.pages, strict=True)
                if began <= now
            ]
            progress = ReadingProgress(
                sum(stored), 0, sum(stored) // PAGE, now, sum(folder_reading_s)
            )
            estimate = estimate_remaining_s(
                progress, missing=sum(missing), missing_in_largest_folder=max(missing)
            )
            yield self.end - now, estimate


def factor_beyond_allowed_seconds(true_s: float, estimate_s: float) -> float:
    return max((true_s - SECONDS_ALLOWED) / estimate_s, (estimate_s - SECONDS_ALLOWED) / true_s)


@pytest.mark.parametrize("mailbox", MAILBOXES)
def test_in_19_of_20_runs_every_estimate_is_as_exact_as_stated(mailbox: str) -> None:
    """The first one is shown before a quarter of the run has passed, and none jumps."""
    worst, jumps = [], []
    for seed in range(100):
        run = SimulatedRun(MAILBOXES[mailbox], random.Random(seed))
        shown = [(true_s, it) for true_s, it in run.estimates() if it is not None]
        assert shown[0][0] > run.end * 0.75
        worst.append(max(factor_beyond_allowed_seconds(*each) for each in shown))
        jumps.append(max(abs(b - a) / max(a, 60) for (_, a), (_, b) in pairwise(shown)))

    assert sorted(worst)[94] <= FACTOR_ALLOWED
    assert sorted(jumps)[94] <= 0.15


MEASURED = ReadingProgress(
    newly_stored_message_count=2_000,
    stored_page_count=MIN_PAGES_FOR_ESTIMATE,
    elapsed_reading_s=MIN_READING_TIME_FOR_ESTIMATE_S,
    sum_of_folder_reading_times_s=60.0,
)


@pytest.mark.parametrize(
    ("change", "missing", "expected"),
    [
        ({}, 8_000, 240),
        ({"sum_of_folder_reading_times_s": 120.0}, 8_000, 480),
        ({}, 0, None),
        ({"stored_page_count": MIN_PAGES_FOR_ESTIMATE - 1}, 8_000, None),
        ({"elapsed_reading_s": MIN_READING_TIME_FOR_ESTIMATE_S - 1}, 8_000, None),
        ({"is_paused_by_provider": True}, 8_000, None),
        ({"newly_stored_message_count": 900, "reread_message_count": 1_100}, 8_000, None),
        ({"newly_stored_message_count": 0}, 8_000, None),
    ],
    ids=[
        *("measured", "one folder is left", "nothing is missing", "too few pages", "too short"),
        *("the provider requested a pause", "mostly read again", "nothing new"),
    ],
)
def test_without_a_measured_speed_there_is_no_estimate(
    change: dict[str, Any], missing: int, expected: int | None
) -> None:
    progress = replace(MEASURED, **change)

    found = estimate_remaining_s(progress, missing=missing, missing_in_largest_folder=missing)

    assert found == expected


def _backfill(
    per_minute: int, messages: int, per_second: int
) -> Iterator[tuple[float, int, QuotaStatus]]:
    """A function starts within 1 s, and fetches `per_second` messages, of 20 units each, until an
    eighth of the quota is used; then the workflow waits whole seconds for the next eighth. Yield
    the time, what is stored, and the quota."""
    part, now, stored = int(per_minute * 0.9 / 8), 0.0, 0
    while stored < messages:
        began, now, used = now + 1, now + 1, 0
        while used < part and stored < messages:
            now, stored, used = now + 1 / per_second, stored + 1, used + 20
            yield now, stored, QuotaStatus(per_minute, 0, None, messages - stored, 20 * stored)
        for _ in range(
            math.ceil(PENDING_MESSAGE_FETCH_BURST_PERIOD_S - 1 - (now - began))
            if stored < messages
            else 0
        ):
            now += 1
            yield now, stored, QuotaStatus(per_minute, 0, None, messages - stored, 20 * stored)


@pytest.mark.parametrize(
    ("per_minute", "messages", "per_second"),
    [
        *((6_000, each, 20) for each in (3_000, 20_000)),
        *((15_000, each, 20) for each in (3_000, 20_000)),
        *((60_000, 2_000, each) for each in (20, 200, 600)),
    ],
)
def test_with_a_quota_the_estimate_is_right_from_the_tenth_part_on(
    per_minute: int, messages: int, per_second: int
) -> None:
    """Within 20 %, or within one part of the quota in whole seconds of the workflow."""
    seen = list(_backfill(per_minute, messages, per_second))
    ends_at = seen[-1][0]
    wrong = []
    for then, stored, quota in seen[messages // 10 : -1]:
        progress = ReadingProgress(stored, 0, stored // 100, then, then, is_paused_by_provider=True)
        estimate_s = estimate_remaining_s(
            progress, missing=quota.pending_message_count, missing_in_largest_folder=0, quota=quota
        )
        off_s = abs((estimate_s or 0) - (ends_at - then))
        if off_s > max(
            0.2 * (ends_at - then),
            PENDING_MESSAGE_FETCH_BURST_PERIOD_S * MAX_BURST_PERIODS_IF_QUOTA_LIMITS,
        ):
            wrong.append((stored, estimate_s, ends_at - then))

    assert wrong == []
