"""GET /api/email/sync."""

import pytest

from mailsync.model import (
    AccountId,
    MessageListing,
    RunRef,
    StoredFolder,
    SyncType,
    UnreadableMessage,
    Upsert,
)
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.folder_store import FolderStore
from mailsync.store.mail_store import MailStore
from mailsync.store.run_folder_store import RunFolderStore
from mailsync.store.run_store import RunStore
from tests.api.requests import Api, ApiResponse, Sql
from tests.api.syncs import STATUS, begin_run
from tests.support.builders import (
    a_message,
    a_page,
    a_page_write,
    a_remote_folder,
    complete_verified,
)
from tests.support.guide import STATUS_FIELDS


@pytest.fixture
def run(database: Database, account_id: AccountId) -> RunRef:
    """A run at work on a folder of 100 messages; 2 are stored and 1 is quarantined."""
    run = begin_run(database, account_id, sync_type=SyncType.INITIAL)
    CredentialStore(database).add_data_key(b"wrapped")
    remote = [a_remote_folder("F1", message_count=100)]
    FolderStore(database).save_tree_changes(run, remote, [])
    FolderStore(database).save_remote_counts(run, remote)
    RunFolderStore(database).begin_feed(run, folder_of(database, run).feed.ref)
    store(database, run, "m1", "m2", has_more=True)
    return run


def folder_of(database: Database, run: RunRef) -> StoredFolder:
    (folder,) = FolderStore(database).read_existing_folders(run.account_id)
    return folder


def store(database: Database, run: RunRef, *messages: str, has_more: bool = False) -> StoredFolder:
    folder = folder_of(database, run)
    bad = UnreadableMessage(a_message("bad").remote_id, "too-large", "Too large to be stored.")
    page = a_page(*(Upsert(a_message(each)) for each in messages), bad, has_more=has_more)
    MailStore(database).write_page(run, a_page_write(folder.feed, page))
    return folder


def status(api: Api, account_id: AccountId, tag: str = "") -> ApiResponse:
    return api(
        STATUS, query={"accountId": account_id}, headers={"if-none-match": tag} if tag else {}
    )


def test_a_new_mailbox_shows_the_nine_fields_of_the_guide(api: Api, account_id: AccountId) -> None:
    response = status(api, account_id)

    assert response.status == 200
    expected = {
        **{"accountId": account_id, "emailAddress": "ann@example.org", "provider": "microsoft"},
        **{"status": "active", "syncStatus": "idle", "lastSyncAt": None},
        **{"initialSyncCompleted": False, "syncProgress": 0, "syncTotal": 0},
    }
    assert {name: response.json[name] for name in expected} == expected
    assert "Retry-After" not in response.headers


def test_a_running_sync_shows_its_progress_and_a_pause(api: Api, run: RunRef, sql: Sql) -> None:
    response = status(api, run.account_id)

    shown = response.json
    assert (shown["status"], shown["syncStatus"], shown["runId"]) == ("syncing", "syncing", "r1")
    assert (shown["syncProgress"], shown["syncTotal"]) == (3, 100)
    assert response.headers["Retry-After"] == "2"
    (folder,) = shown["folders"]
    assert folder["displayName"] == "Folder F1"
    assert (folder["total"], folder["remoteTotal"], folder["quarantined"]) == (2, 100, 1)
    assert folder["walking"] is True
    sql("UPDATE mailsync.email_accounts SET status = 'paused'")
    paused = status(api, run.account_id).json
    assert (paused["status"], paused["syncStatus"]) == ("paused", "syncing")


def test_the_remaining_time_is_shown_once_the_speed_is_measured_and_unless_it_pauses(
    api: Api, run: RunRef, sql: Sql
) -> None:
    sql("UPDATE mailsync.sync_runs SET started_at = now() - interval '100 seconds'")
    sql("UPDATE mailsync.sync_run_folders SET started_at = now() - interval '98 seconds'")
    after_a_page = status(api, run.account_id).json
    sql("UPDATE mailsync.sync_run_folders SET pages = 20")
    measured = status(api, run.account_id).json
    sql("UPDATE mailsync.email_accounts SET throttled_until = now() + interval '1 minute'")
    paused = status(api, run.account_id).json

    assert [each["rate"] for each in (after_a_page, measured, paused)] == [0.0] * 3
    assert after_a_page["etaSeconds"] is None
    assert measured["etaSeconds"] == pytest.approx(97 * 98 / 2, rel=0.05)
    assert paused["etaSeconds"] is None


def test_progress_counts_each_message_once_and_is_at_most_the_total(
    api: Api, run: RunRef, sql: Sql
) -> None:
    """Though it is stored and quarantined, and the provider has fewer by now."""
    sql(
        "INSERT INTO mailsync.email_quarantine (account_id, message_id, folder_id, cause, detail)"
        " SELECT account_id, message_id, folder_id, 'too_large', '' FROM mailsync.emails LIMIT 1"
    )

    sql("UPDATE mailsync.email_folders SET remote_total = 1")

    shown = status(api, run.account_id).json

    assert (shown["syncProgress"], shown["syncTotal"]) == (3, 3)
    assert shown["folders"][0]["quarantined"] == 1


def test_a_completed_sync_has_all_fields(api: Api, run: RunRef, database: Database) -> None:
    store(database, run, "m3")
    complete_verified(database, run)

    response = status(api, run.account_id)

    shown = response.json
    assert {name: type(shown[name]) for name in STATUS_FIELDS} == STATUS_FIELDS
    assert (shown["status"], shown["syncStatus"]) == ("active", "completed")
    assert (shown["runId"], shown["rate"], shown["etaSeconds"]) == (None, 0, None)
    assert (shown["lastError"], shown["nextRetryAt"], shown["pendingRemoval"]) == (None,) * 3
    assert shown["maxFlagAgeSeconds"] is None
    assert "Retry-After" not in response.headers


def test_one_date_says_that_counts_agreed_and_one_that_ids_were_compared(
    api: Api, run: RunRef, database: Database
) -> None:
    folder, folders = store(database, run, "m3").ref.id, FolderStore(database)
    folders.mark_verified_by_counts(run, [folder])
    counted = dates(api, run)

    folders.save_id_comparison(run, folder, MessageListing((), remote_message_count=0), [])
    compared = dates(api, run)
    folders.postpone_message_id_comparison(run, [folder])

    assert (counted[0] is None, counted[1]) == (False, None)
    assert compared[1] is not None
    assert dates(api, run) == (compared[0], None), "a comparison that failed is none"


def dates(api: Api, run: RunRef) -> tuple[str | None, str | None]:
    """Of its only folder; the account's `comparedAt` is the same."""
    shown = status(api, run.account_id).json
    (folder,) = shown["folders"]
    account = api(f"GET /api/email/accounts/{run.account_id}").json
    assert shown["comparedAt"] == account["comparedAt"] == folder["comparedAt"]
    return folder["verifiedAt"], folder["comparedAt"]


def test_a_folder_that_was_gone_and_has_come_back_is_not_verified(
    api: Api, run: RunRef, database: Database, sql: Sql
) -> None:
    """Not by a check either that came while it was gone."""
    folder, folders = store(database, run, "m3").ref.id, FolderStore(database)
    folders.mark_verified_by_counts(run, [folder])
    folders.save_tree_changes(run, [], [folder])
    sql("UPDATE mailsync.email_accounts SET verified_at = now()")
    gone = status(api, run.account_id).json

    folders.save_tree_changes(run, [a_remote_folder("F1")], [])

    assert (gone["folders"], gone["pendingRemoval"]["folders"]) == ([], 1)
    assert dates(api, run) == (None, None)


def test_a_wrong_count_is_not_waited_for(api: Api, run: RunRef, database: Database) -> None:
    folder = store(database, run, "m3")
    FolderStore(database).save_remote_overcounts_of_folders(run, {folder.ref.id: (96, -1)})

    shown = status(api, run.account_id).json

    assert (shown["syncProgress"], shown["syncTotal"]) == (4, 4)
    (view,) = shown["folders"]
    assert (view["remoteTotal"], view["countOffset"], view["unreadOffset"]) == (100, 96, -1)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        ("ProviderUnavailable", "active"),
        ("AccessRevoked", "reauth_required"),
        ("VerificationFailed", "active"),
    ],
)
def test_a_failed_sync_shows_everywhere_why_and_when_it_is_tried_again_if_it_is(
    api: Api, run: RunRef, database: Database, error: str, state: str
) -> None:
    if error == "VerificationFailed":
        assert not RunStore(database).complete_or_fail_run(run)
    else:
        RunStore(database).fail_run(run.account_id, run.run_id, "arn-r1", error, "Why.")

    shown = status(api, run.account_id).json
    account = api(f"GET /api/email/accounts/{run.account_id}").json
    ended = api(f"GET /api/email/runs/{run.run_id}").json

    assert (shown["status"], shown["syncStatus"], shown["verifiedAt"]) == (state, "failed", None)
    assert shown["lastError"] == account["lastError"] == ended["error"]
    assert shown["lastError"]["name"] == error
    assert account["nextSyncAt"] is not None
    next_try = account["nextSyncAt"] if state == "active" else None
    assert shown["nextRetryAt"] == ended["nextSyncAt"] == next_try


def test_an_unchanged_status_is_a_304(api: Api, run: RunRef, sql: Sql) -> None:
    """Also to a tag as proxies send it on: weakened, and with one of another response."""
    sql("UPDATE mailsync.sync_run_folders SET inserted = 0")
    tag = status(api, run.account_id).headers["ETag"]

    for sent in (tag, f'"other", W/{tag}'):
        same = status(api, run.account_id, sent)
        assert (same.status, same.text, same.headers["ETag"]) == (304, "", tag)
        assert same.headers["Retry-After"] == "2"
    sql("UPDATE mailsync.email_accounts SET last_sync_at = now()")
    changed = status(api, run.account_id, tag)
    assert changed.status == 200
    assert changed.headers["ETag"] != tag
