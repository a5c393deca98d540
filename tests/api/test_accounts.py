"""GET and PATCH under /api/email/accounts."""

import pytest

from mailsync.decisions.verify import ListingContradictionKind, MessageContradictingListing
from mailsync.model import AccountId, FolderId, MessageListing, RemoteId, RunRef
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.folder_store import MAX_STORED_LISTING_CONTRADICTIONS_PER_FOLDER, FolderStore
from mailsync.store.queue_store import DueMailboxQueueStore
from tests.api.conftest import Connect
from tests.api.requests import Api, Sql
from tests.api.syncs import begin_run, is_running, read_pages, store_four_messages
from tests.support.builders import a_remote_folder

ACCOUNTS = "/api/email/accounts"


@pytest.fixture
def run(run: RunRef, database: Database) -> RunRef:
    CredentialStore(database).add_data_key(b"wrapped")
    store_four_messages(database, run)
    return run


def one(account_id: str) -> str:
    return f"{ACCOUNTS}/{account_id}"


def folder_ids(api: Api, account_id: AccountId) -> list[int]:
    return [each["id"] for each in api(f"GET {one(account_id)}").json["folders"]]


def test_a_user_lists_their_own_accounts_page_by_page(api: Api, connect_account: Connect) -> None:
    mine = [connect_account(provider_account_id=f"uid{each}") for each in range(3)]
    connect_account(user_id="bo")

    for limit in ("1", "2", "3"):
        shown = read_pages(api, f"GET {ACCOUNTS}", "accounts", limit=limit)
        assert [each["accountId"] for each in shown] == mine


def test_an_account_shows_a_hundred_differing_ids_of_each_folder(
    api: Api, account_id: AccountId, run: RunRef, database: Database
) -> None:
    first, second = (FolderId(each) for each in folder_ids(api, account_id))
    kinds = ListingContradictionKind
    many = [
        MessageContradictingListing(
            RemoteId(f"m{each:03}"), kinds.LISTED_BUT_NOT_FOUND_BY_ID_IN_FOLDER
        )
        for each in range(250)
    ]
    surplus = MessageContradictingListing(RemoteId("s"), kinds.FOUND_BY_ID_IN_FOLDER_BUT_NOT_LISTED)
    for folder_id, found in ((first, many), (second, [surplus])):
        FolderStore(database).save_id_comparison(run, folder_id, MessageListing(()), found)

    shown = api(f"GET {one(account_id)}").json

    assert [each["differing"] for each in shown["folders"]] == [250, 1]
    assert [each["messageId"] for each in shown["differences"]][:2] == ["m000", "m001"]
    assert len(shown["differences"]) == MAX_STORED_LISTING_CONTRADICTIONS_PER_FOLDER + 1
    assert shown["differences"][-1].items() >= {"folderId": second, "cause": "surplus"}.items()


def test_an_account_is_shown_with_its_folders(api: Api, run: RunRef) -> None:
    shown = api(f"GET {one(run.account_id)}").json

    assert (shown["accountId"], shown["status"]) == (run.account_id, "active")
    assert (shown["emailAddress"], shown["lastError"]) == ("ann@example.org", None)
    first, second = shown["folders"]
    assert (first["displayName"], first["selected"], first["total"]) == ("Folder F1", True, 3)
    assert (second["displayName"], second["parentId"], second["total"]) == ("Folder F2", None, 1)


def test_pausing_stops_the_sync_and_none_is_due_until_it_is_resumed(
    api: Api, run: RunRef, database: Database, sql: Sql
) -> None:
    paused = api(f"PATCH {one(run.account_id)}", body={"paused": True})
    sql("UPDATE mailsync.email_accounts SET next_sync_at = now() - interval '1 hour'")

    assert (paused.status, paused.json["status"]) == (200, "paused")
    assert not is_running(run.run_id)
    assert sql("SELECT status FROM mailsync.sync_runs") == [["cancelled"]]
    assert DueMailboxQueueStore(database).claim_due_mailboxes(10, 60) == ()

    resumed = api(f"PATCH {one(run.account_id)}", body={"paused": False})

    assert resumed.json["status"] == "active"
    assert DueMailboxQueueStore(database).claim_due_mailboxes(10, 60) == (run.account_id,)


def test_a_closed_account_is_not_paused_or_resumed(
    api: Api, account_id: AccountId, sql: Sql
) -> None:
    for status in ("reauth_required", "disconnected"):
        sql("UPDATE mailsync.email_accounts SET status = :status", status=status)
        for paused in (True, False):
            response = api(f"PATCH {one(account_id)}", body={"paused": paused})
            assert response.status == 409
            assert "connect the mailbox again" in response.json["detail"]
        assert sql("SELECT status FROM mailsync.email_accounts") == [[status]]


def test_another_choice_of_folders_stops_the_sync_and_the_next_one_is_due(
    api: Api, run: RunRef, database: Database, sql: Sql
) -> None:
    first, second = folder_ids(api, run.account_id)
    same, other = {"id": first, "selected": True}, {"id": second, "selected": False}

    api(f"PATCH {one(run.account_id)}", body={"folders": [same]})
    assert sql("SELECT status FROM mailsync.sync_runs") == [["running"]]
    response = api(f"PATCH {one(run.account_id)}", body={"folders": [same, other]})

    assert [each["selected"] for each in response.json["folders"]] == [True, False]
    assert not is_running(run.run_id)
    assert DueMailboxQueueStore(database).claim_due_mailboxes(10, 60) == (run.account_id,)
    positions = sql(
        "SELECT walk, cursor_sealed, walking FROM mailsync.change_feeds ORDER BY folder_id"
    )
    assert positions == [[1, b"c1", False], [2, None, True]]


def test_a_folder_of_another_account_changes_nothing(
    api: Api, run: RunRef, connect_account: Connect, database: Database, sql: Sql
) -> None:
    other, folders = connect_account(user_id="bo"), FolderStore(database)
    folders.save_tree_changes(begin_run(database, other), [a_remote_folder("F9")], [])
    theirs = folders.read_existing_folders(other)[0].ref.id
    first, _ = folder_ids(api, run.account_id)
    choices = [{"id": each, "selected": False} for each in (first, theirs)]

    response = api(f"PATCH {one(run.account_id)}", body={"paused": True, "folders": choices})

    assert response.problem == (422, "unknown-folder")
    assert str(theirs) in response.json["detail"]
    assert sql("SELECT bool_and(selected) FROM mailsync.email_folders") == [[True]]
    assert sql("SELECT DISTINCT status FROM mailsync.email_accounts") == [["active"]]
