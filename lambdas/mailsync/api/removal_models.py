"""What the API shows of mail that is hidden because it left its folders."""

from datetime import datetime

from mailsync.api.models import CamelModel
from mailsync.store.removal_store import Removal


class PendingRemoval(CamelModel):
    """Mail that is hidden and not deleted yet; it is shown again if it comes back.

    `hidden` messages left their folders. Of these the provider, asked for each by its id, says that
    `gone` are in no mirrored folder, since `gone_since`; None: it was not asked yet, or did not
    answer. A sync at `deleted_from` or later asks again, and deletes those of which the provider
    still says so: two hours after its first answer, or 24 where most of the mailbox would go.
    `needs_confirmation`: most of it would (`SuspiciousRemoval`), and a person can shorten the wait
    by confirming the removal, which was last done at `confirmed_at`. `folders` are mirrored folders
    that are hidden.
    """

    hidden: int
    gone: int
    folders: int
    gone_since: datetime | None
    deleted_from: datetime | None
    needs_confirmation: bool
    confirmed_at: datetime | None


class RemovalConfirmed(CamelModel):
    """`pending_removal` is what a sync, which is due at once, asks the provider about again."""

    success: bool = True
    account_id: str
    pending_removal: PendingRemoval
    message: str


def to_optional_view(removal: Removal) -> PendingRemoval | None:
    """None when nothing is hidden."""
    return to_view(removal) if removal.hidden or removal.folders else None


def to_view(removal: Removal) -> PendingRemoval:
    return PendingRemoval(
        hidden=removal.hidden,
        gone=removal.gone,
        folders=removal.folders,
        gone_since=removal.gone_since,
        deleted_from=removal.deleted_from,
        needs_confirmation=removal.is_suspicious,
        confirmed_at=removal.confirmed_at,
    )
