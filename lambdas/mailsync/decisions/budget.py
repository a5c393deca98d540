"""When a function must stop asking for more, and how long it may pause."""

SHUTDOWN_S = 20.0
MAX_WAIT_S = 3600
MAX_PAUSE_S = 10.0
"""From here a Wait state is cheaper: its transitions cost as much as 11 s of a 512 MB function."""
MAX_PAUSES_PER_REQUEST = 2
"""Of one request; doubled, they add up to less than `SHUTDOWN_S`."""
STEP_PAUSE_BUDGET_S = 60.0
"""All pauses of a step; a fifth of the time-out of the functions that ask a provider."""
CHECK_PAUSE_BUDGET_S = 5.0
"""The same of a look at a mailbox: others wait behind it, and an execution can wait for longer."""
_SHORTEST_PAUSE_S = 0.05


def has_time_for_page(remaining_s: float, slowest_page_s: float) -> bool:
    """Whether another page as slow as the slowest one so far still fits before the time-out."""
    return remaining_s > SHUTDOWN_S + 2 * slowest_page_s


def pause_s(asked_s: float, *, repeat: int, jitter: float) -> float:
    """What was asked for, doubled with each repeat, and up to a quarter more.

    `jitter` is a random number in [0, 1): workers that were refused together do not come back
    together.
    """
    return max(asked_s, _SHORTEST_PAUSE_S) * (1 << repeat) * (1 + jitter / 4)


def wait_seconds(retry_after_s: float) -> int:
    """Whole seconds for the Wait state, at least 1 and at most 3600; after a longer one the
    provider is asked again."""
    return max(1, min(MAX_WAIT_S, int(-(-retry_after_s // 1))))


def shrink_page_size(size: int) -> int:
    """The page size after the provider choked on one: half, at least 1."""
    return max(1, size // 2)


def grow_page_size(size: int, largest: int) -> int:
    """The page size after the provider coped: grows back slowly."""
    return min(largest, size + max(1, size // 4))
