"""Models of pending removals: mail that left its folders and is hidden until it is deleted."""

from datetime import datetime

from mailsync.api.models import CamelModel
from mailsync.store.removal_store import HiddenMail


class PendingRemoval(CamelModel):
    """Mail that is hidden and not deleted yet.

    Before a message is deleted, two requests by id, at least two hours apart, must find it in no
    mirrored folder. Mail that returns to a mirrored folder becomes visible again.
    """

    hidden: int
    """Messages that left their folders."""
    gone: int
    """Hidden messages that a request by id found in no mirrored folder."""
    folders: int
    """Mirrored folders that are hidden."""
    gone_since: datetime | None
    """When the first of these requests was made. Null: no request has succeeded yet."""
    deleted_from: datetime | None
    """When a sync may repeat the requests and delete the mail: two hours after `goneSince`, or 24
    hours if most of the mailbox would be deleted."""
    needs_confirmation: bool
    """Whether most of the mailbox would be deleted (error `SuspiciousRemoval`). The user can
    shorten the wait to two hours by confirming the removal."""
    confirmed_at: datetime | None
    """When the user last confirmed the removal."""


class RemovalConfirmed(CamelModel):
    """The response to a confirmed removal.

    The next sync is due immediately. It asks the provider for the messages once more and deletes
    those that are still gone.
    """

    success: bool = True
    account_id: str
    pending_removal: PendingRemoval
    message: str


def to_optional_pending_removal(removal: HiddenMail) -> PendingRemoval | None:
    """Return the removal that is pending in an account, for a response. None: no message and no
    folder is hidden."""
    return (
        to_pending_removal(removal) if removal.hidden_messages or removal.hidden_folders else None
    )


def to_pending_removal(removal: HiddenMail) -> PendingRemoval:
    """Return the removal that is pending in an account, for a response; all its counts may be 0."""
    return PendingRemoval(
        hidden=removal.hidden_messages,
        gone=removal.messages_reported_gone,
        folders=removal.hidden_folders,
        gone_since=removal.gone_since,
        deleted_from=removal.deletion_due_at,
        needs_confirmation=removal.is_suspicious,
        confirmed_at=removal.confirmed_at,
    )
