"""Convert the stored status of an account and of its folders to what the API returns. Pure
functions."""

from collections.abc import Mapping
from datetime import datetime

from mailsync.api.account_models import FolderSelection
from mailsync.api.models import stored_error_to_failure_or_none
from mailsync.api.removal_models import to_pending_removal_or_none
from mailsync.api.status_models import FolderView, SyncStatusView
from mailsync.decisions.remaining_time import estimate_remaining_s
from mailsync.model import FolderId
from mailsync.registry import find_provider
from mailsync.store.account_store import FolderWithSelection
from mailsync.store.status_store import AccountStatus, FolderStatus

_OPEN_RUN_STATUSES = ("queued", "syncing")
"""Values of `syncStatus` while a run is open."""


def to_sync_status_view(account: AccountStatus, now: datetime) -> SyncStatusView:
    """Return the sync status of the account for a response."""
    syncing = account.sync_status in _OPEN_RUN_STATUSES and account.status == "active"
    progress, total = _progress(account)
    provider = find_provider(account.provider)
    retries = (
        account.successive_failed_sync_count > 0 and account.status == "active" and not syncing
    )
    return SyncStatusView(
        account_id=account.id,
        email_address=account.email_address,
        provider=account.provider,
        status=account.sync_status if syncing else account.status,
        sync_status=account.sync_status,
        last_sync_at=account.last_sync_at,
        initial_sync_completed=account.is_initial_sync_completed,
        sync_progress=progress,
        sync_total=total,
        folders=tuple(_folder(each) for each in account.folders),
        rate=round(_rate(account, now), 1),
        quota_left=account.quota_status.units_available_now if account.quota_status else None,
        quota_paused_until=account.quota_status.paused_until if account.quota_status else None,
        eta_seconds=_remaining_s(account, total - progress) if syncing else None,
        last_error=stored_error_to_failure_or_none(
            account.last_error_name, account.last_error_message
        ),
        next_retry_at=account.next_sync_at if retries else None,
        verified_at=account.counts_verified_at,
        compared_at=account.oldest_id_comparison_at,
        max_flag_age_seconds=provider.max_stored_flag_age_s if provider else None,
        pending_removal=to_pending_removal_or_none(account.hidden_mail),
        run_id=account.open_run_id,
    )


def _progress(account: AccountStatus) -> tuple[int, int]:
    """Return the number of processed messages and the number of expected messages.

    Processed messages are stored or in quarantine. The expected number is the sum of the provider's
    counts of the folders, without the messages that the provider is known to count in excess. But
    if the provider has a quota and messages are pending, the expected number is the sum of the
    processed and the pending messages.

    During a full sync the provider's counts can lag behind the stored messages. Then the expected
    number is raised to the processed number, so that the progress never exceeds 100 %. If a message
    can be in several folders, the sum of the folders' counts contains it several times. Both
    numbers are then reduced by the surplus: the sum of the stored counts minus the number of stored
    messages.
    """
    folders = account.folders
    if account.quota_status and account.quota_status.pending_message_count:
        # The full sync has listed the ids of all messages. It counts the folders at its end.
        done = (account.message_count or 0) + account.reading_progress.newly_stored_message_count
        return done, done + account.quota_status.pending_message_count
    stored = sum(each.stored_total for each in folders)
    progress = stored + sum(each.quarantined_total for each in folders)
    total = sum(max(0, each.remote_total - each.remote_total_overcount) for each in folders)
    if account.message_count is not None:
        surplus = max(0, stored - account.message_count)
        total -= surplus
        # Messages of the open run are in no count until it ends.
        progress = min(
            progress - surplus + account.reading_progress.newly_stored_message_count, total
        )
    elif account.quota_status:
        # The contents of all messages are fetched, and nothing is counted yet.
        progress = account.reading_progress.newly_stored_message_count
        total = max(total, progress)
    if any(each.is_full_sync_running for each in folders):
        total = max(total, progress)
    return progress, total


def _rate(account: AccountStatus, now: datetime) -> float:
    """Return the number of new messages stored per second since the run started. Return 0 if no run
    has started."""
    if account.open_run_started_at is None:
        return 0.0
    return account.reading_progress.newly_stored_message_count / max(
        (now - account.open_run_started_at).total_seconds(), 1.0
    )


def _remaining_s(account: AccountStatus, missing: int) -> int | None:
    largest = max((_missing(each) for each in account.folders), default=0)
    return estimate_remaining_s(
        account.reading_progress,
        missing=missing,
        missing_in_largest_folder=min(largest, missing),
        quota=account.quota_status,
    )


def _missing(folder: FolderStatus) -> int:
    return (
        folder.remote_total
        - folder.remote_total_overcount
        - folder.stored_total
        - folder.quarantined_total
    )


def _folder(folder: FolderStatus) -> FolderView:
    return FolderView(
        id=folder.id,
        display_name=folder.display_name,
        role=folder.role,
        total=folder.stored_total,
        unread=folder.stored_unread,
        remote_total=folder.remote_total,
        count_offset=folder.remote_total_overcount,
        unread_offset=folder.remote_unread_overcount,
        quarantined=folder.quarantined_total,
        differing=folder.listing_contradiction_count,
        walking=folder.is_full_sync_running,
        verified_at=folder.verified_at,
        compared_at=folder.message_ids_compared_at,
        error=stored_error_to_failure_or_none(folder.error_name, folder.error_message),
    )


def to_folder_selection(
    folder: FolderWithSelection, id_by_remote_id: Mapping[str, FolderId]
) -> FolderSelection:
    """Return a folder, mirrored or not, for a response.

    id_by_remote_id: the ids of the account's folders by the ids that they have at the provider.
    """
    return FolderSelection(
        id=folder.id,
        parent_id=id_by_remote_id.get(folder.parent_remote_id or ""),
        display_name=folder.display_name,
        role=folder.role,
        selected=folder.selected,
        hidden=folder.is_hidden_at_provider,
        total=folder.stored_total,
        unread=folder.stored_unread,
        remote_total=folder.remote_total,
        count_offset=folder.remote_total_overcount,
        unread_offset=folder.remote_unread_overcount,
        verified_at=folder.verified_at,
        compared_at=folder.message_ids_compared_at,
        differing=folder.listing_contradiction_count,
    )
