from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.accounts import account_details_json, account_status_json
from mailsync.decisions.remaining_time import ReadingProgress
from mailsync.model import AccountId
from mailsync.store.account_store import FolderWithSelection, ListingContradictionRow
from mailsync.store.removal_store import NO_MAIL_PENDING_DELETION
from mailsync.store.status_store import AccountStatus, FolderStatus

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
OF_A_FOLDER: dict[str, Any] = {
    **{"id": 1, "display_name": "Inbox", "role": "inbox", "parent_remote_id": None},
    **{"remote_id": "r1", "selected": True, "is_hidden_at_provider": False},
    **{"stored_total": 8, "stored_unread": 0, "remote_total": 10, "verified_at": None},
    **{"remote_total_overcount": 0, "remote_unread_overcount": 0},
    **{"message_ids_compared_at": None, "listing_contradiction_count": 0},
}
OF_AN_ACCOUNT: dict[str, Any] = {
    **{"id": AccountId("a1"), "email_address": "ada@example.com", "provider": "microsoft"},
    **{
        "status": "active",
        "sync_status": "syncing",
        "last_sync_at": None,
        "successive_failed_sync_count": 0,
    },
    **{"is_initial_sync_completed": False, "counts_verified_at": None, "last_error_name": None},
    **{"last_error_message": None, "next_sync_at": NOW, "open_run_id": "r1"},
    **{"message_count": None, "reading_progress": ReadingProgress(600, 0, 20, 60.0, 60.0)},
    **{
        "open_run_started_at": NOW - timedelta(seconds=60),
        "folders": (),
        "hidden_mail": NO_MAIL_PENDING_DELETION,
    },
}
CHOICE, ACCOUNT = FolderWithSelection(**OF_A_FOLDER), AccountStatus(**OF_AN_ACCOUNT)


def status_of(choice: FolderWithSelection, **fields: Any) -> FolderStatus:
    """Return the same folder as the status has it, two of its messages in quarantine."""
    values: dict[str, Any] = {
        name: getattr(choice, name)
        for name in FolderWithSelection.__slots__
        if name not in ("parent_remote_id", "remote_id", "selected", "is_hidden_at_provider")
    }
    values |= {"error_name": None, "error_message": None, "is_full_sync_running": False}
    values |= {"quarantined_total": 2}
    return FolderStatus(**{**values, **fields})


def test_an_account_is_shown_as_the_api_shows_it_with_its_next_sync() -> None:
    folder = status_of(
        replace(CHOICE, stored_total=95, remote_total=300),
        quarantined_total=5,
        is_full_sync_running=True,
    )

    shown = account_status_json(replace(ACCOUNT, folders=(folder,)), NOW)

    assert (shown["syncProgress"], shown["syncTotal"]) == (100, 300)
    assert (shown["rate"], shown["etaSeconds"], shown["nextSyncAt"]) == (10.0, 20, NOW)


def test_an_account_that_waits_for_a_person_has_no_next_sync() -> None:
    assert (
        account_status_json(replace(ACCOUNT, status="reauth_required"), NOW)["nextSyncAt"] is None
    )


def test_only_folders_whose_counts_differ_after_their_full_sync_are_called_different() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"stored_total": 7, "parent_remote_id": "r1"},
        {"stored_total": 7},
        {"stored_total": 7, "selected": False},
        {"stored_total": 7, "remote_total_overcount": 1},
    ]
    choices = [
        replace(CHOICE, id=number, remote_id=f"r{number}", **fields)
        for number, fields in enumerate(changes, start=1)
    ]
    mirrored = tuple(
        status_of(each, is_full_sync_running=each.id == 3) for each in choices if each.selected
    )
    difference = ListingContradictionRow(2, "m1", "missing", NOW)

    page = account_details_json(replace(ACCOUNT, folders=mirrored), choices, [difference], [], NOW)

    assert [each["id"] for each in page["folders"] if each["isUneven"]] == [2]
    assert [each["parentId"] for each in page["folders"][:2]] == [None, 1]
    assert page["differences"][0]["folder"] == "Inbox"
