"""Decide whether to trust a provider that reports mail as removed.

If a provider suddenly lists hardly any messages, an error of the provider is more likely than a
user who has emptied the mailbox. So Mailsync first hides mail that left its folder. Mailsync
deletes the mail after the provider has answered two requests by id, at least two hours apart, that
the message or folder is gone.
"""

from datetime import timedelta

MIN_SUSPICIOUS_REMOVAL_MESSAGES = 20
MAX_UNSUSPICIOUS_REMOVAL_SHARE = 0.5

REMOVAL_CONFIRMATION_DELAY = timedelta(hours=2)
"""The minimum time between the provider's two responses to requests by id that lead to the deletion
of a message or a folder."""
SUSPICIOUS_REMOVAL_DELAY = timedelta(hours=24)
"""The minimum time between the provider's two confirmations before most of a mailbox is deleted. If
a person confirms the removal, `REMOVAL_CONFIRMATION_DELAY` is enough."""
GONE_FOLDER_DESELECTION_RETENTION = timedelta(days=30)
"""How long Mailsync remembers that a user deselected a folder which then disappeared, in case the
folder comes back."""


def is_removal_suspicious(*, stored: int, removing: int, remote_total: int | None) -> bool:
    """Return whether removing messages from a folder would contradict the provider's own count of
    the folder.

    stored: number of stored messages of the folder.
    removing: number of stored messages that would be removed.
    remote_total: the provider's count of messages in the folder. The removal is credible if it
        takes few messages, or if at least this many messages remain. None: the provider does not
        count the folder.
    """
    if not is_most_of_mailbox(stored=stored, removing=removing):
        return False
    return remote_total is None or stored - removing < remote_total


def is_most_of_mailbox(*, stored: int, removing: int) -> bool:
    """Return whether `removing` messages are more than half of the `stored` messages.

    Return False if fewer than `MIN_SUSPICIOUS_REMOVAL_MESSAGES` messages are removed.
    """
    return (
        removing >= MIN_SUSPICIOUS_REMOVAL_MESSAGES
        and removing > stored * MAX_UNSUSPICIOUS_REMOVAL_SHARE
    )
