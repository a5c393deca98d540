"""Models of the sync status: response bodies of `GET /api/email/sync`."""

from datetime import datetime

from mailsync.api.models import CamelModel, Failure
from mailsync.api.removal_models import PendingRemoval


class FolderView(CamelModel):
    """The sync status of one folder."""

    id: int
    display_name: str
    role: str
    """The well-known role, such as `inbox` or `sent`."""
    total: int
    """Messages stored in the folder."""
    unread: int
    """Unread messages stored in the folder."""
    remote_total: int
    """Messages in the folder by the provider's own count."""
    count_offset: int
    """Error of `remoteTotal`, found by comparing ids: `remoteTotal - countOffset` is correct."""
    unread_offset: int
    """Error of the provider's unread count, found by comparing read states."""
    quarantined: int
    """Messages that exist at the provider and cannot be stored."""
    differing: int
    """Messages about which the provider contradicted itself in the last comparison."""
    walking: bool
    """Whether a full sync of the folder has not ended yet."""
    verified_at: datetime | None
    """When the counts last matched the provider's counts."""
    compared_at: datetime | None
    """When ids and versions of all messages were last compared. Null: still to do."""
    error: Failure | None


class SyncStatusView(CamelModel):
    """The sync status of one account."""

    account_id: str
    email_address: str
    provider: str
    status: str
    """`syncing` while a sync of an active account runs, else the status of the account."""
    sync_status: str
    last_sync_at: datetime | None
    """When the last successful sync or check ended."""
    initial_sync_completed: bool
    sync_progress: int
    """Messages processed: stored or quarantined."""
    sync_total: int
    """Messages expected, by the provider's corrected counts."""
    folders: tuple[FolderView, ...]
    rate: float
    """New messages stored per second since the run started."""
    eta_seconds: int | None
    """Estimated seconds until `syncProgress` reaches `syncTotal`. Null: unknown."""
    last_error: Failure | None
    next_retry_at: datetime | None
    """When Mailsync retries after a failure. Null: no retry is planned."""
    verified_at: datetime | None
    """When the message counts of every folder last matched the provider's counts."""
    compared_at: datetime | None
    """Since when every folder has been compared with the provider by message ids and versions.
    Mailsync compares each folder once a week. Null: a folder still has to be compared."""
    pending_removal: PendingRemoval | None
    """Mail that is hidden and not deleted yet. Null: no mail is hidden."""
    run_id: str | None
    """The queued or running run. Null: there is none."""
