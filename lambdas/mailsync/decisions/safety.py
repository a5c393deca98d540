"""Safeguards against a provider that wrongly reports mail as removed.

If a provider suddenly lists hardly any messages, the provider is more likely faulty than that the
user has emptied the mailbox. So Mailsync first hides mail that left its folder. It deletes the mail
after the provider has answered two requests by id, at least two hours apart, that the message or
folder is gone.
"""

from datetime import timedelta

MIN_SUSPICIOUS_REMOVAL_MESSAGES = 20
MAX_UNSUSPICIOUS_REMOVAL_SHARE = 0.5

REMOVAL_CONFIRMATION_DELAY = timedelta(hours=2)
"""Between the two responses by id that delete a message or a folder."""
SUSPICIOUS_REMOVAL_DELAY = timedelta(hours=24)
"""The same delay where most of a mailbox would be deleted, unless a person confirms the removal."""
GONE_FOLDER_DESELECTION_RETENTION = timedelta(days=30)
"""How long a hidden folder's deselection is kept, in case the folder comes back."""


def is_removal_suspicious(*, stored: int, removing: int, remote_total: int | None) -> bool:
    """Return whether removing messages would contradict the provider's own count of the folder.

    stored: number of stored messages.
    removing: number of those that would be removed.
    remote_total: the provider's count. The removal is credible if it takes few messages or leaves
        at least this many. None: the provider does not count the folder.
    """
    if not is_most_of_mailbox(stored=stored, removing=removing):
        return False
    return remote_total is None or stored - removing < remote_total


def is_most_of_mailbox(*, stored: int, removing: int) -> bool:
    """Return whether `removing` messages are most of the `stored` messages.

    False for fewer than `MIN_SUSPICIOUS_REMOVAL_MESSAGES`.
    """
    return (
        removing >= MIN_SUSPICIOUS_REMOVAL_MESSAGES
        and removing > stored * MAX_UNSUSPICIOUS_REMOVAL_SHARE
    )
