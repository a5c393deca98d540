"""Define the models of the sync status: response bodies of `GET /api/email/sync`."""

from datetime import datetime

from mailsync.api.documented_values import (
    AccountIdFieldType,
    AccountOrOpenRunStatusFieldType,
    FolderRoleFieldType,
    LatestSyncStatusFieldType,
)
from mailsync.api.models import CamelModel, Failure
from mailsync.api.removal_models import PendingRemoval


class FolderView(CamelModel):
    """The sync status of one mirrored folder."""

    id: int
    display_name: str
    role: FolderRoleFieldType
    total: int
    """Number of messages that Mailsync stores for the folder."""
    unread: int
    """Number of unread messages that Mailsync stores for the folder."""
    remote_total: int
    """Number of messages in the folder that the provider reports. It can be wrong; see
    `countOffset`."""
    count_offset: int
    """By how much `remoteTotal` is too high, as the last comparison of message ids found. The
    correct number is `remoteTotal - countOffset`."""
    unread_offset: int
    """By how much the number of unread messages that the provider reports is too high, as the last
    comparison of read states found."""
    quarantined: int
    """Number of messages that exist at the provider and that Mailsync cannot store."""
    differing: int
    """Number of messages for which the provider contradicted itself when the folder was last
    compared: its response by id differed from its list of the folder."""
    walking: bool
    """Whether a full sync of the folder is pending or running."""
    verified_at: datetime | None
    """When the stored message counts of the folder last matched the provider's counts. Null: not
    yet."""
    compared_at: datetime | None
    """When Mailsync last compared the ids and versions of all messages of the folder with the
    provider. Null: not compared yet."""
    error: Failure | None


class SyncStatusView(CamelModel):
    """The sync status of one account and of its mirrored folders."""

    account_id: AccountIdFieldType
    email_address: str
    provider: str
    status: AccountOrOpenRunStatusFieldType
    sync_status: LatestSyncStatusFieldType
    last_sync_at: datetime | None
    """When the last successful sync or check ended."""
    initial_sync_completed: bool
    sync_progress: int
    """Number of messages that Mailsync has stored or quarantined so far."""
    sync_total: int
    """Number of messages that Mailsync expects in the mailbox, from the provider's counts after
    correction of their known errors."""
    folders: tuple[FolderView, ...]
    rate: float
    """New messages stored per second since the current run started. 0: no run has started."""
    quota_left: int | None
    """Number of units of the provider's quota per minute that the mailbox can still use now. Null:
    the provider has no such quota, or nothing was requested yet."""
    quota_paused_until: datetime | None
    """Until when the provider accepts no requests, because a quota is used up. Null: the provider
    accepts requests."""
    eta_seconds: int | None
    """Estimated number of seconds until `syncProgress` reaches `syncTotal`. Null: unknown, which
    means that nothing is missing, the run has not read for a minute and 20 pages yet, the provider
    has requested a pause, or the run mostly reads messages again that are stored."""
    last_error: Failure | None
    next_retry_at: datetime | None
    """When Mailsync next retries the sync after a failure. Null: no retry is planned."""
    verified_at: datetime | None
    """When the stored message counts of all folders last matched the provider's counts. Null: not
    yet."""
    compared_at: datetime | None
    """The oldest `comparedAt` of the mirrored folders. Mailsync compares the message ids and
    versions of each folder with the provider once a week. Null: a folder has not been compared yet.
    """
    max_flag_age_seconds: int | None
    """Maximum number of seconds until Mailsync notices a changed flag (such as read or starred), if
    the mail server does not report changed flags. Mailsync then compares the flags of all messages
    at this interval. Null: the provider reports changed flags."""
    pending_removal: PendingRemoval | None
    """Mail that disappeared at the provider; Mailsync hides it and has not deleted it yet. Null: no
    mail is hidden."""
    run_id: str | None
    """Id of the queued or running run. Null: no run is queued or running."""
