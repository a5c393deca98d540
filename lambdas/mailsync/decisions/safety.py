"""Safeguards against a provider that wrongly reports mail as removed.

A provider that suddenly lists none, or hardly any, of its messages is more likely faulty than the
user is emptying the mailbox. So mail that left its folder is hidden first. It is deleted after the
provider, requested by the id of each message or folder, has said twice that it is gone.
"""

from datetime import timedelta

MIN_SUSPICIOUS_MESSAGES = 20
MAX_REMOVED_SHARE = 0.5

CONFIRMATION_DELAY = timedelta(hours=2)
"""Between the two responses by id that delete a message or a folder."""
SUSPICIOUS_CONFIRMATION_DELAY = timedelta(hours=24)
"""The same delay where most of a mailbox would be deleted, unless a person confirms the removal."""
SELECTION_RETENTION = timedelta(days=30)
"""How long a hidden folder's deselection is kept, in case the folder comes back."""


def is_removal_suspicious(*, stored: int, removing: int, remote_total: int) -> bool:
    """Return whether removing this many of `stored` messages contradicts the provider's own count.

    A removal is credible when it takes few messages, or when at least `remote_total` messages stay.
    """
    return is_most_of_mailbox(stored=stored, removing=removing) and stored - removing < remote_total


def is_most_of_mailbox(*, stored: int, removing: int) -> bool:
    """Return whether `removing` is most of `stored`; fewer than `MIN_SUSPICIOUS_MESSAGES` never
    are."""
    return removing >= MIN_SUSPICIOUS_MESSAGES and removing > stored * MAX_REMOVED_SHARE
