"""Compute how long functions check notified mailboxes in a month."""

from math import exp


def share_of_time_busy(per_second: float, check_s: float) -> float:
    """Return the share of the time in which at least one notified mailbox is being checked.

    One function checks all mailboxes that are notified while it runs, so this is also the share in
    which a function is billed, with up to ten mailboxes at a time (a queue with Poisson arrivals
    and unlimited servers).

    per_second: notifications per second.
    check_s: mean seconds of a check.
    """
    return 1 - exp(-per_second * check_s)


def invocations_per_second(per_second: float, check_s: float) -> float:
    """Return how often a notification arrives while no function checks notified mailboxes."""
    return per_second * exp(-per_second * check_s)
