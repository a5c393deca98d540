"""Define the models of pending removals: mail that disappeared at the provider and that Mailsync
hides until it deletes it."""

from datetime import datetime
from typing import Literal

from mailsync.api.documented_values import AccountIdFieldType
from mailsync.api.models import CamelModel
from mailsync.store.removal_store import MailPendingDeletionSummary


class PendingRemoval(CamelModel):
    """Mail of an account that disappeared at the provider. Mailsync hides it and has not deleted it
    yet.

    Mailsync deletes a hidden message only after two requests by its id, at least two hours apart,
    have found the message in no mirrored folder. A message that returns to a mirrored folder
    becomes visible again.
    """

    hidden: int
    """Number of messages that are hidden because they left their folders."""
    gone: int
    """Number of hidden messages that a request by id has already found in no mirrored folder."""
    folders: int
    """Number of mirrored folders that are hidden."""
    gone_since: datetime | None
    """When a request by id first found one of these messages in no mirrored folder. Null: no such
    request has succeeded yet."""
    deleted_from: datetime | None
    """The earliest time at which a sync repeats the requests by id and deletes the mail: two hours
    after `goneSince`, or 24 hours after `goneSince` if most of the mailbox would be deleted."""
    needs_confirmation: bool
    """Whether most of the mailbox would be deleted (error `SuspiciousRemoval`). The user can
    shorten the wait to two hours by confirming the removal."""
    confirmed_at: datetime | None
    """When the user last confirmed the removal."""


class RemovalConfirmed(CamelModel):
    """The response to a user's confirmation that hidden mail may be deleted.

    The mailbox is due immediately. Its next sync requests the hidden messages by id once more and
    deletes those that are still in no mirrored folder.
    """

    success: Literal[True] = True
    account_id: AccountIdFieldType
    pending_removal: PendingRemoval
    message: str


def to_pending_removal_or_none(removal: MailPendingDeletionSummary) -> PendingRemoval | None:
    """Convert the hidden mail of an account to a response model. Return None if no message and no
    folder is hidden."""
    return (
        to_pending_removal(removal)
        if removal.hidden_message_count or removal.gone_mirrored_folder_count
        else None
    )


def to_pending_removal(removal: MailPendingDeletionSummary) -> PendingRemoval:
    """Convert the hidden mail of an account to a response model. All counts are 0 if nothing is
    hidden."""
    return PendingRemoval(
        hidden=removal.hidden_message_count,
        gone=removal.reported_gone_message_count,
        folders=removal.gone_mirrored_folder_count,
        gone_since=removal.first_reported_gone_at,
        deleted_from=removal.deletion_due_at,
        needs_confirmation=removal.is_unconfirmed_mass_removal,
        confirmed_at=removal.removal_confirmed_by_user_at,
    )
