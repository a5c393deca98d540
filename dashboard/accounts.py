"""Mailboxes for the pages: how far each is, how fast, what failed and what differs. Pure."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from dashboard.rows import Account, Difference, Folder, Quarantined
from dashboard.to_json import to_json
from mailsync.store.removal_store import Removal


def account_view(account: Account, now: datetime) -> dict[str, Any]:
    progress = account.stored + account.quarantined
    # While folders are walked the provider's counts may lag behind ours.
    total = max(account.remote, progress) if account.walking else account.remote
    rate = _rate(account, now)
    return {
        "id": account.id,
        "address": account.address,
        "provider": account.provider,
        "status": account.status,
        "syncStatus": account.sync_status,
        "initialSyncCompleted": account.initial_sync_completed,
        "verifiedAt": account.verified_at,
        "comparedAt": account.compared_at,
        "pendingRemoval": _pending(account.removal),
        "lastSyncAt": account.last_sync_at,
        "nextSyncAt": account.next_sync_at if account.status == "active" else None,
        "progress": progress,
        "total": total,
        "rate": round(rate, 1),
        "etaSeconds": math.ceil((total - progress) / rate) if rate and total > progress else None,
        "lastError": _failure(account.last_error, account.last_error_message),
        "failures": account.failures,
        "quarantined": account.quarantined,
        "runId": account.run_id,
    }


def account_page(
    account: Account,
    folders: Iterable[Folder],
    quarantine: Iterable[Quarantined],
    differences: Iterable[Difference],
    now: datetime,
) -> dict[str, Any]:
    """`uneven` are folders whose counts differ now, `differences` the ids that the last comparison
    could not explain."""
    folders = list(folders)
    return {
        **account_view(account, now),
        "folders": [_folder(each) for each in folders],
        "quarantine": list(quarantine),
        "uneven": [_uneven(each) for each in folders if _differs(each)],
        "differences": list(differences),
    }


def _pending(removal: Removal) -> dict[str, Any] | None:
    """As the API shows it; None when nothing is hidden."""
    if not removal.hidden and not removal.folders:
        return None
    return {
        "hidden": removal.hidden,
        "gone": removal.gone,
        "folders": removal.folders,
        "goneSince": removal.gone_since,
        "deletedFrom": removal.deleted_from,
        "needsConfirmation": removal.is_suspicious,
        "confirmedAt": removal.confirmed_at,
    }


def _rate(account: Account, now: datetime) -> float:
    """Messages that the open run has stored in a second."""
    if account.run_started_at is None:
        return 0.0
    return account.run_inserted / max((now - account.run_started_at).total_seconds(), 1.0)


def _folder(folder: Folder) -> dict[str, Any]:
    return {
        **to_json(folder),
        "error": _failure(folder.error, folder.error_message),
    }


def _differs(folder: Folder) -> bool:
    """As far as both counts are known: while a folder is walked ours is not."""
    counted = folder.total + folder.quarantined + folder.count_offset
    return folder.selected and not folder.walking and counted != folder.remote_total


def _uneven(folder: Folder) -> dict[str, Any]:
    return {
        "folderId": folder.id,
        "folder": folder.name,
        "stored": folder.total,
        "quarantined": folder.quarantined,
        "remote": folder.remote_total,
    }


def _failure(name: str | None, message: str | None) -> dict[str, str] | None:
    return {"name": name, "message": message or ""} if name else None
