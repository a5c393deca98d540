"""When a mailbox is asked again."""

USUAL_S = 5 * 60
LONGEST_S = 24 * 60 * 60


def next_sync_in_s(*, failures: int, needs_person: bool, spread: float) -> float:
    """Seconds until the next sync; doubles with each failure in a row, at most a day.

    `spread` is a random number in [0, 1): it moves the time by up to a tenth either way, so
    that mailboxes which failed together do not come back together. An account that waits for
    a person is looked at once a day.
    """
    interval = LONGEST_S if needs_person else min(LONGEST_S, USUAL_S * 2 ** min(failures, 10))
    return interval * (0.9 + 0.2 * spread)
