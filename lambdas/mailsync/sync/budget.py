"""When a function must stop asking for more."""

SHUTDOWN_S = 20.0
LONGEST_SLEEP_S = 10.0
LONGEST_WAIT_S = 300


def may_go_on(remaining_s: float, slowest_page_s: float) -> bool:
    """Whether another page as slow as the slowest one so far still fits before the time-out."""
    return remaining_s > SHUTDOWN_S + 2 * slowest_page_s


def should_sleep(retry_after_s: float, remaining_s: float) -> bool:
    """Whether a pause is cheaper slept here than by a Wait state.

    Three state transitions cost as much as about 11 s of a 512 MB function.
    """
    return retry_after_s <= LONGEST_SLEEP_S and may_go_on(remaining_s - retry_after_s, 0)


def wait_seconds(retry_after_s: float) -> int:
    """Whole seconds for the Wait state, at least 1 and at most 300; a longer wait asks again."""
    return max(1, min(LONGEST_WAIT_S, int(-(-retry_after_s // 1))))


def smaller_page(size: int) -> int:
    """The page size after the provider choked on one: half, at least 1."""
    return max(1, size // 2)


def larger_page(size: int, largest: int) -> int:
    """The page size after the provider coped: grows back slowly."""
    return min(largest, size + max(1, size // 4))
