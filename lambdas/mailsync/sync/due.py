"""When a mailbox is asked again."""

USUAL_S = 5 * 60
LONGEST_S = 24 * 60 * 60

EXECUTION_DIED = "ExecutionDied"
"""The name under which a run is closed whose execution timed out or vanished."""

EXECUTION_STOPPED = "ExecutionStopped"
"""The same for one that a person stopped."""

NEEDS_A_PERSON = frozenset({"AccessRevoked"})


def next_sync_in_s(*, failures: int, cause: str | None, spread: float) -> float:
    """Seconds until the next sync, `failures` in a row after the run that ended by `cause`.

    Doubles with each failure, at most to a day. `spread` is a random number in [0, 1): it moves
    the time by up to a tenth either way, so that mailboxes which failed together do not come
    back together. The first execution that died is taken up at once, since nothing speaks
    against the mailbox; an account that waits for a person is looked at once a day.
    """
    if cause == EXECUTION_DIED and failures <= 1:
        return 0.0
    doubled: float = USUAL_S * 2 ** min(failures, 10)
    interval = LONGEST_S if cause in NEEDS_A_PERSON else min(LONGEST_S, doubled)
    return interval * (0.9 + 0.2 * spread)
