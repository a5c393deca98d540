"""Time budgets: when a function stops fetching, and how long it may pause."""

SHUTDOWN_RESERVE_S = 20.0
MAX_WAIT_STATE_S = 3600
MAX_PAUSE_S = 10.0
"""The longest pause that a function sleeps. A Wait state is cheaper for longer ones: its
transitions cost as much as 11 s of a 512 MB function."""
MAX_PAUSES_PER_REQUEST = 2
"""With doubling, the pauses of one request add up to less than `SHUTDOWN_RESERVE_S`."""
STEP_PAUSE_BUDGET_S = 60.0
"""Seconds of pauses in one step: a fifth of the time-out of the functions that call a provider."""
CHECK_PAUSE_BUDGET_S = 5.0
"""Seconds of pauses in one check: other mailboxes wait behind it, and an execution can wait longer.
"""
_SHORTEST_PAUSE_S = 0.05


def has_time_for_page(remaining_s: float, slowest_page_s: float) -> bool:
    """Return whether a page as slow as the slowest one so far still fits before the time-out."""
    return remaining_s > SHUTDOWN_RESERVE_S + 2 * slowest_page_s


def retry_pause_s(requested_s: float, *, repeat: int, jitter: float) -> float:
    """Return the seconds to pause before a retry: `requested_s`, doubled per repeat, plus jitter.

    jitter: a random number in [0, 1). It adds up to a quarter, so that workers which were throttled
        together do not retry together.
    """
    return max(requested_s, _SHORTEST_PAUSE_S) * (1 << repeat) * (1 + jitter / 4)


def wait_state_seconds(retry_after_s: float) -> int:
    """Return whole seconds for the Wait state, from 1 to 3600. After a longer pause the next
    request finds out whether the provider still throttles."""
    return max(1, min(MAX_WAIT_STATE_S, int(-(-retry_after_s // 1))))


def shrink_page_size(size: int) -> int:
    """Return the page size after a page failed: half of it, at least 1."""
    return max(1, size // 2)


def grow_page_size(size: int, largest: int) -> int:
    """Return the page size after a page succeeded: a quarter larger, at most `largest`."""
    return min(largest, size + max(1, size // 4))
