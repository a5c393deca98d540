"""The refusal to believe in an empty mailbox.

A complete walk that shows nothing, or next to nothing, of a folder that the provider itself
says is full is more likely a fault of the provider than the user's wish.
"""

SMALLEST_SUSPECT = 20
LARGEST_SHARE = 0.5


def is_suspicious(*, stored: int, removing: int, remote_total: int) -> bool:
    """Whether a sweep of `removing` of `stored` rows contradicts the provider's own count.

    A sweep is believed when it takes few rows, or when what stays is at least what the
    provider counts in the folder.
    """
    if removing < SMALLEST_SUSPECT or removing <= stored * LARGEST_SHARE:
        return False
    return stored - removing < remote_total
