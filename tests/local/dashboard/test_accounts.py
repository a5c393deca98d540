from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.accounts import account_page, account_view
from dashboard.rows import Account, Folder
from mailsync.store.removal_store import NOTHING_HIDDEN

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def an_account(**fields: Any) -> Account:
    usual = {
        "id": "a1",
        "address": "ada@example.com",
        "provider": "microsoft",
        "status": "active",
        "sync_status": "syncing",
        "initial_sync_completed": False,
        "verified_at": None,
        "last_sync_at": None,
        "next_sync_at": NOW,
        "last_error": None,
        "last_error_message": None,
        "failures": 0,
        "run_id": "r1",
        "run_started_at": NOW - timedelta(seconds=10),
        "run_inserted": 100,
        "stored": 95,
        "remote": 300,
        "walking": True,
        "quarantined": 5,
        "compared_at": None,
        "removal": NOTHING_HIDDEN,
    }
    return Account(**{**usual, **fields})


def a_folder(**fields: Any) -> Folder:
    usual = {
        "id": 1,
        "parent_id": None,
        "name": "Inbox",
        "role": "inbox",
        "total": 8,
        "unread": 0,
        "remote_total": 10,
        "count_offset": 0,
        "unread_offset": 0,
        "quarantined": 2,
        "walking": False,
        "selected": True,
        "hidden": False,
        "verified_at": None,
        "compared_at": None,
        "error": None,
        "error_message": None,
        "differing": 0,
    }
    return Folder(**{**usual, **fields})


def test_progress_counts_what_is_stored_or_put_aside_and_the_rest_has_a_time() -> None:
    shown = account_view(an_account(), NOW)

    assert (shown["progress"], shown["total"]) == (100, 300)
    assert (shown["rate"], shown["etaSeconds"]) == (10.0, 20)


def test_progress_never_exceeds_its_total_while_the_providers_count_lags() -> None:
    shown = account_view(an_account(stored=310), NOW)

    assert (shown["progress"], shown["total"], shown["etaSeconds"]) == (315, 315, None)


def test_an_account_that_waits_for_a_person_has_no_next_sync() -> None:
    assert account_view(an_account(status="reauth_required"), NOW)["nextSyncAt"] is None


def test_hidden_mail_is_shown_with_when_it_goes_and_whether_a_person_is_awaited() -> None:
    some = replace(NOTHING_HIDDEN, hidden=31, gone=30, unconfirmed=30, stored=70, gone_since=NOW)
    most = replace(some, stored=40)

    waits = [account_view(an_account(removal=each), NOW)["pendingRemoval"] for each in (some, most)]

    assert account_view(an_account(), NOW)["pendingRemoval"] is None
    assert [each["needsConfirmation"] for each in waits] == [False, True]
    assert [each["deletedFrom"] - NOW for each in waits] == [timedelta(hours=2), timedelta(days=1)]
    assert (waits[0]["hidden"], waits[0]["gone"]) == (31, 30)


def test_only_folders_whose_counts_differ_after_their_walk_are_called_different() -> None:
    folders = [
        a_folder(id=1),
        a_folder(id=2, total=7),
        a_folder(id=3, total=7, walking=True),
        a_folder(id=4, total=7, selected=False),
        a_folder(id=5, total=7, count_offset=1),
    ]

    page = account_page(an_account(), folders, [], [], NOW)

    assert page["uneven"] == [
        {"folderId": 2, "folder": "Inbox", "stored": 7, "quarantined": 2, "remote": 10}
    ]
