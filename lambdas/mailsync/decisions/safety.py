"""The refusal to believe in an empty mailbox.

A provider that shows nothing, or next to nothing, of what it held a moment ago is more likely at
fault than the user is emptying the mailbox. What has left is hidden first, and deleted only after
the provider, asked by the id of each message or folder, has said twice that it is gone.
"""

from datetime import timedelta

MIN_SUSPICIOUS_MESSAGES = 20
MAX_REMOVED_SHARE = 0.5

CONFIRMATION_DELAY = timedelta(hours=2)
"""Between the two answers by id that delete a message or a folder."""
SUSPICIOUS_CONFIRMATION_DELAY = timedelta(hours=24)
"""The same where most of a mailbox would go, unless a person confirms it."""
SELECTION_RETENTION = timedelta(days=30)
"""The same for a folder that is not mirrored: the choice survives the folder's absence."""


def is_suspicious(*, stored: int, removing: int, remote_total: int) -> bool:
    """Whether removing so many of `stored` messages contradicts the provider's own count.

    A removal is believed when it takes few messages, or when what stays is at least what the
    provider counts in the folder.
    """
    return is_majority(stored=stored, removing=removing) and stored - removing < remote_total


def is_majority(*, stored: int, removing: int) -> bool:
    """Whether so many of `stored` messages are most of them; a handful never is."""
    return removing >= MIN_SUSPICIOUS_MESSAGES and removing > stored * MAX_REMOVED_SHARE
