"""Convert accounts of all users to JSON for the dashboard's pages. Pure functions.

The JSON contains the sync status as the API returns it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from dashboard.to_json import JsonObject, to_json_value
from mailsync.api.sync_status import to_folder_selection, to_sync_status_view
from mailsync.model import FolderId
from mailsync.registry import find_provider
from mailsync.store.account_store import FolderWithSelection, ListingContradictionRow
from mailsync.store.status_store import AccountStatus


def account_status_json(account: AccountStatus, now: datetime) -> JsonObject:
    """Return the JSON object that the API returns as the account's sync status, with two additional
    members.

    The member `providerTitle` is the provider's display name. The member `nextSyncAt` is the time
    of the next sync; it is None unless the account is active.
    """
    due = account.next_sync_at if account.status == "active" else None
    registered = find_provider(account.provider)
    title = registered.display_name if registered else account.provider
    view = to_sync_status_view(account, now).model_dump(by_alias=True)
    return {**view, "providerTitle": title, "nextSyncAt": due}


def account_details_json(
    account: AccountStatus,
    folders: Iterable[FolderWithSelection],
    differences: Iterable[ListingContradictionRow],
    quarantine: list[JsonObject],
    now: datetime,
) -> JsonObject:
    """Return the JSON of one account: sync status, all folders, and the messages with problems.

    The folders include folders that are not mirrored. A folder's member `isUneven` is true if the
    provider's message count differs from the number of stored and quarantined messages plus
    `countOffset`, by which the provider is known to count too many. It is false while a full sync
    of the folder is pending or running, and for folders that are not mirrored.

    differences: messages for which the provider contradicted itself when the message's folder was
        last compared. For example, the provider's list of the folder contained the message, and in
        response to a request for the message the provider reported that the message is gone.
    quarantine: the messages of the account that cannot be fetched or stored.
    """
    view = account_status_json(account, now)
    mirrored = {each["id"]: each for each in view["folders"]}
    ids = {each.remote_id: FolderId(each.id) for each in folders}
    names = {each.id: each.display_name for each in folders}
    return {
        **view,
        "folders": [_folder(each, mirrored.get(each.id, {}), ids) for each in folders],
        "differences": [
            {**to_json_value(each), "folder": names[each.folder_id]} for each in differences
        ],
        "quarantine": quarantine,
    }


def _folder(
    folder: FolderWithSelection, status: JsonObject, ids: dict[str, FolderId]
) -> JsonObject:
    choice = to_folder_selection(folder, ids).model_dump(by_alias=True)
    shown: JsonObject = {"quarantined": 0, "walking": False, "error": None, **choice, **status}
    stored = shown["total"] + shown["quarantined"] + shown["countOffset"]
    return {
        **shown,
        # Until the full sync ends, the number of stored messages is not counted.
        "isUneven": folder.selected and not shown["walking"] and stored != folder.remote_total,
    }


def account_json_without_folders(view: dict[str, Any]) -> JsonObject:
    """Return a copy of an account's JSON without the member `folders`, for the page that lists all
    accounts."""
    return {name: value for name, value in view.items() if name != "folders"}
