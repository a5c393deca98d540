"""What the API shows of the sync of an account."""

from datetime import datetime

from mailsync.api.models import CamelModel, Failure
from mailsync.api.removal_models import PendingRemoval


class FolderView(CamelModel):
    """`total` and `unread` count our rows, `remote_total` is the provider's own count.

    `count_offset` and `unread_offset`: by how much the provider's counts are wrong, as a comparison
    by ids has shown; `remote_total` less `count_offset` is what there is. `verified_at`: when the
    counts last agreed; `compared_at`: when the ids and versions of all messages were last compared
    with the provider's, None: that is still to be done. `differing`: how many messages the provider
    contradicted itself about then. `walking`: a full sync of the folder has not ended.
    """

    id: int
    display_name: str
    role: str
    total: int
    unread: int
    remote_total: int
    count_offset: int
    unread_offset: int
    quarantined: int
    differing: int
    walking: bool
    verified_at: datetime | None
    compared_at: datetime | None
    error: Failure | None


class SyncStatusView(CamelModel):
    """`rate` is in messages per second since the run started; `eta_seconds` None: unknown.

    `next_retry_at` is set after a failure that is tried again by itself. `run_id` is the open
    run, if there is one. `verified_at`: when the counts of every folder last agreed with the
    provider's. `compared_at`: since then the ids and versions of every folder were compared, which
    is done within a week; None: some are still to be compared.
    """

    account_id: str
    email_address: str
    provider: str
    status: str
    sync_status: str
    last_sync_at: datetime | None
    initial_sync_completed: bool
    sync_progress: int
    sync_total: int
    folders: tuple[FolderView, ...]
    rate: float
    eta_seconds: int | None
    last_error: Failure | None
    next_retry_at: datetime | None
    verified_at: datetime | None
    compared_at: datetime | None
    pending_removal: PendingRemoval | None
    run_id: str | None
