"""Decide whether to trust a provider that reports mail as removed.

If a provider suddenly lists hardly any messages, an error of the provider is more likely than a
user who has emptied the mailbox. So Mailsync first hides mail that left its folder. Mailsync
deletes the mail after the provider has answered two requests by id, at least two hours apart, that
the message or folder is gone.
"""

from datetime import timedelta

MIN_SUSPICIOUS_REMOVAL_MESSAGES = 20
"""The removal of fewer messages than this is never suspicious."""
MAX_UNSUSPICIOUS_REMOVED_MESSAGE_SHARE = 0.5
"""The removal of at most this share of the stored messages is never suspicious."""

MIN_TIME_FROM_REMOVAL_TO_DELETION = timedelta(hours=2)
"""The minimum time from the provider's first response that a message or folder is gone to the
deletion of the message or folder. Just before the deletion a second request by id must get the same
response."""
MIN_TIME_FROM_MASS_REMOVAL_TO_DELETION = timedelta(hours=24)
"""The minimum time from the provider's first response that messages are gone to their deletion, if
most of a mailbox would be deleted. After a person has confirmed the removal, the shorter
`MIN_TIME_FROM_REMOVAL_TO_DELETION` applies."""
GONE_FOLDER_DESELECTION_RETENTION = timedelta(days=30)
"""How long Mailsync remembers that a user deselected a folder (chose not to mirror the folder)
after the folder has disappeared at the provider. If the folder comes back within this time, it is
still deselected."""


def is_suspicious_removal_from_folder(
    *, stored: int, removing: int, remote_total: int | None
) -> bool:
    """Return whether the removal of messages from a folder is suspicious: it would remove most of
    the folder's messages, and fewer messages than the provider counts would remain.

    stored: number of stored messages of the folder.
    removing: number of stored messages that would be removed.
    remote_total: the provider's count of messages in the folder. None: the provider does not count
        the folder; then every removal of most of the folder's messages is suspicious.
    """
    if not is_removal_of_most_messages(stored=stored, removing=removing):
        return False
    return remote_total is None or stored - removing < remote_total


def is_removal_of_most_messages(*, stored: int, removing: int) -> bool:
    """Return whether `removing` messages are more than half of the `stored` messages. Return False
    if `removing` is less than `MIN_SUSPICIOUS_REMOVAL_MESSAGES`."""
    return (
        removing >= MIN_SUSPICIOUS_REMOVAL_MESSAGES
        and removing > stored * MAX_UNSUSPICIOUS_REMOVED_MESSAGE_SHARE
    )
