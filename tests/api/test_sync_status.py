"""GET /api/email/sync."""

from typing import Any
from uuid import uuid4

import pytest

from mailsync.model import (
    AccountId,
    IdListing,
    Message,
    RunId,
    RunRef,
    SyncType,
    Unreadable,
    Upsert,
)
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from mailsync.store.run_folder_store import RunFolderStore
from mailsync.store.run_store import RunStore
from tests.api.conftest import Ask, Sql
from tests.support.builders import (
    a_message,
    a_page,
    a_page_write,
    a_remote_folder,
    complete_verified,
)
from tests.support.guide import STATUS_FIELDS

STATUS = "GET /api/email/sync"


@pytest.fixture
def run(database: Database, account_id: AccountId) -> RunRef:
    """A run at work on a folder of 100 messages, of which 2 are stored and 1 is quarantined."""
    epoch = LeaseStore(database).begin(account_id, RunId("r1"), "arn", SyncType.INITIAL, "api")
    assert epoch is not None
    run = RunRef(account_id, RunId("r1"), epoch)
    CredentialStore(database).add_data_key(b"wrapped")
    folders = FolderStore(database)
    remote = [a_remote_folder("F1", total=100)]
    folders.save(run, remote, [])
    folders.save_remote_counts(run, remote)
    (folder,) = folders.folders(account_id)
    RunFolderStore(database).begin(run, folder.ref.id)
    store(database, run, a_message("m1"), a_message("m2"))
    return run


def store(database: Database, run: RunRef, *messages: Message, has_more: bool = True) -> None:
    (folder,) = FolderStore(database).folders(run.account_id)
    bad = Unreadable(a_message("bad").remote_id, "too-large", "Too large to be stored.")
    page = a_page(*(Upsert(each) for each in messages), bad, has_more=has_more)
    MailStore(database).apply_page(run, a_page_write(folder, page))


def test_a_mailbox_that_never_synced_shows_the_nine_fields_of_the_guide(
    ask: Ask, account_id: AccountId
) -> None:
    answer = ask(STATUS, query={"accountId": account_id})

    assert answer.status == 200
    assert answer.json["accountId"] == account_id
    assert answer.json["emailAddress"] == "ann@example.org"
    assert answer.json["provider"] == "microsoft"
    assert answer.json["status"] == "active"
    assert answer.json["syncStatus"] == "idle"
    assert answer.json["lastSyncAt"] is None
    assert answer.json["initialSyncCompleted"] is False
    assert (answer.json["syncProgress"], answer.json["syncTotal"]) == (0, 0)
    assert "Retry-After" not in answer.headers


def test_a_running_sync_shows_how_far_it_is(ask: Ask, run: RunRef) -> None:
    answer = ask(STATUS, query={"accountId": run.account_id})

    shown = answer.json
    assert (shown["status"], shown["syncStatus"], shown["runId"]) == ("syncing", "syncing", "r1")
    assert (shown["syncProgress"], shown["syncTotal"]) == (3, 100)
    assert answer.headers["Retry-After"] == "2"
    (folder,) = shown["folders"]
    assert folder["displayName"] == "Folder F1"
    assert (folder["total"], folder["remoteTotal"], folder["quarantined"]) == (2, 100, 1)
    assert folder["walking"] is True


def test_rate_and_remaining_time_follow_from_what_the_run_stored(
    ask: Ask, run: RunRef, sql: Sql
) -> None:
    sql("UPDATE mailsync.sync_runs SET started_at = now() - interval '10 seconds'")

    shown = ask(STATUS, query={"accountId": run.account_id}).json

    assert shown["rate"] == pytest.approx(0.2, abs=0.05)
    assert shown["etaSeconds"] == pytest.approx(97 / 0.2, rel=0.25)


def test_the_remaining_time_is_unknown_before_anything_is_stored(
    ask: Ask, run: RunRef, sql: Sql
) -> None:
    sql("UPDATE mailsync.sync_run_folders SET inserted = 0")

    shown = ask(STATUS, query={"accountId": run.account_id}).json

    assert (shown["rate"], shown["etaSeconds"]) == (0.0, None)


def test_progress_is_never_more_than_the_total_while_folders_are_walked(
    ask: Ask, run: RunRef, sql: Sql
) -> None:
    sql("UPDATE mailsync.email_folders SET remote_total = 1")

    shown = ask(STATUS, query={"accountId": run.account_id}).json

    assert (shown["syncProgress"], shown["syncTotal"]) == (3, 3)


def test_a_message_of_which_an_older_version_is_stored_is_counted_once(
    ask: Ask, run: RunRef, sql: Sql
) -> None:
    sql(
        "INSERT INTO mailsync.email_quarantine (account_id, message_id, folder_id, cause, detail)"
        " SELECT account_id, message_id, folder_id, 'too_large', '' FROM mailsync.emails LIMIT 1"
    )

    status = ask(STATUS, query={"accountId": run.account_id}).json

    assert (status["syncProgress"], status["folders"][0]["quarantined"]) == (3, 1)


def test_a_completed_sync_has_every_field_in_its_type(
    ask: Ask, run: RunRef, database: Database
) -> None:
    store(database, run, a_message("m3"), has_more=False)
    complete_verified(database, run)

    answer = ask(STATUS, query={"accountId": run.account_id})

    assert {name: type(answer.json[name]) for name in STATUS_FIELDS} == STATUS_FIELDS
    assert (answer.json["status"], answer.json["syncStatus"]) == ("active", "completed")
    assert (answer.json["runId"], answer.json["rate"], answer.json["etaSeconds"]) == (None, 0, None)
    assert (answer.json["lastError"], answer.json["nextRetryAt"]) == (None, None)
    assert answer.json["pendingRemoval"] is None
    assert "Retry-After" not in answer.headers


def test_the_two_dates_say_that_counts_agreed_and_that_ids_were_compared(
    ask: Ask, run: RunRef, database: Database
) -> None:
    store(database, run, a_message("m3"), has_more=False)
    folders = FolderStore(database)
    (folder,) = folders.folders(run.account_id)
    folders.mark_verified(run, [folder.ref.id])
    counted = dates(ask, run)

    folders.mark_compared(run, folder.ref.id, IdListing((), total=0), [])
    compared = dates(ask, run)
    folders.compare_later(run, [folder.ref.id])

    assert (counted[0] is None, counted[1]) == (False, None)
    assert compared[1] is not None
    assert dates(ask, run) == (compared[0], None), "a comparison that failed is none"


def dates(ask: Ask, run: RunRef) -> tuple[str | None, str | None]:
    """Of its only folder; the account's `comparedAt` is the same."""
    shown = ask(STATUS, query={"accountId": run.account_id}).json
    (folder,) = shown["folders"]
    assert shown["comparedAt"] == folder["comparedAt"]
    return folder["verifiedAt"], folder["comparedAt"]


def test_a_folder_that_was_gone_and_has_come_back_is_not_verified(
    ask: Ask, run: RunRef, database: Database, sql: Sql
) -> None:
    """Not by a check either that came while it was gone."""
    store(database, run, a_message("m3"), has_more=False)
    folders = FolderStore(database)
    (folder,) = folders.folders(run.account_id)
    folders.mark_verified(run, [folder.ref.id])
    folders.save(run, [], [folder.ref.id])
    sql("UPDATE mailsync.email_accounts SET verified_at = now()")
    gone = ask(STATUS, query={"accountId": run.account_id}).json

    folders.save(run, [a_remote_folder("F1")], [])

    assert (gone["folders"], gone["pendingRemoval"]["folders"]) == ([], 1)
    assert dates(ask, run) == (None, None)


def test_a_count_that_the_provider_gets_wrong_is_not_waited_for(
    ask: Ask, run: RunRef, database: Database
) -> None:
    store(database, run, a_message("m3"), has_more=False)
    folders = FolderStore(database)
    (folder,) = folders.folders(run.account_id)
    folders.save_offsets(run, {folder.ref.id: (96, -1)})

    shown = ask(STATUS, query={"accountId": run.account_id}).json

    assert (shown["syncProgress"], shown["syncTotal"]) == (4, 4)
    (view,) = shown["folders"]
    assert (view["remoteTotal"], view["countOffset"], view["unreadOffset"]) == (100, 96, -1)


def test_a_sync_that_could_not_be_verified_says_so_and_when_it_is_tried_again(
    ask: Ask, run: RunRef, database: Database
) -> None:
    assert not RunStore(database).complete(run)

    shown = ask(STATUS, query={"accountId": run.account_id}).json
    account = ask(f"GET /api/email/accounts/{run.account_id}").json
    ended = ask(f"GET /api/email/runs/{run.run_id}").json

    assert (shown["syncStatus"], shown["verifiedAt"]) == ("failed", None)
    assert shown["lastError"]["name"] == "VerificationFailed"
    assert shown["lastError"] == account["lastError"] == ended["error"]
    assert shown["nextRetryAt"] == account["nextSyncAt"] == ended["nextSyncAt"] is not None


def test_a_failed_sync_shows_why_and_when_it_is_tried_again(
    ask: Ask, run: RunRef, database: Database
) -> None:
    RunStore(database).fail(run.account_id, run.run_id, "arn", "ProviderUnavailable", "Graph: 503.")

    shown = ask(STATUS, query={"accountId": run.account_id}).json

    assert (shown["status"], shown["syncStatus"]) == ("active", "failed")
    assert shown["lastError"] == {"name": "ProviderUnavailable", "message": "Graph: 503."}
    assert shown["nextRetryAt"] is not None


def test_a_mailbox_that_needs_a_new_sign_in_promises_no_retry(
    ask: Ask, run: RunRef, database: Database
) -> None:
    RunStore(database).fail(run.account_id, run.run_id, "arn", "AccessRevoked", "Sign in again.")

    shown = ask(STATUS, query={"accountId": run.account_id}).json

    assert shown["status"] == "reauth_required"
    assert shown["lastError"]["name"] == "AccessRevoked"
    assert shown["nextRetryAt"] is None


def test_an_account_that_was_paused_while_syncing_is_shown_as_paused(
    ask: Ask, run: RunRef, sql: Sql
) -> None:
    sql("UPDATE mailsync.email_accounts SET status = 'paused'")

    shown = ask(STATUS, query={"accountId": run.account_id}).json

    assert (shown["status"], shown["syncStatus"]) == ("paused", "syncing")


def test_whoever_polls_is_told_when_nothing_is_new(
    ask: Ask, account_id: AccountId, sql: Sql
) -> None:
    query = {"accountId": account_id}
    tag = ask(STATUS, query=query).headers["ETag"]

    same = ask(STATUS, query=query, headers={"if-none-match": tag})
    sql("UPDATE mailsync.email_accounts SET last_sync_at = now()")
    changed = ask(STATUS, query=query, headers={"if-none-match": tag})

    assert (same.status, same.text, same.headers["ETag"]) == (304, "", tag)
    assert changed.status == 200
    assert changed.headers["ETag"] != tag


def test_whoever_is_told_that_nothing_is_new_is_told_when_to_ask_again(
    ask: Ask, run: RunRef, sql: Sql
) -> None:
    """As proxies send the tag on: weakened, and with one of another answer."""
    sql("UPDATE mailsync.sync_run_folders SET inserted = 0")
    query = {"accountId": run.account_id}
    tag = ask(STATUS, query=query).headers["ETag"]

    same = ask(STATUS, query=query, headers={"if-none-match": f'"other", W/{tag}'})

    assert (same.status, same.headers["Retry-After"]) == (304, "2")


def test_another_users_account_looks_like_one_that_does_not_exist(
    ask: Ask, account_id: AccountId
) -> None:
    theirs = ask(STATUS, query={"accountId": account_id}, user="bo")
    unknown = ask(STATUS, query={"accountId": str(uuid4())}, user="bo")

    assert theirs.status == 404
    assert theirs == unknown


@pytest.mark.parametrize("query", [{}, {"accountId": "1; DROP TABLE emails"}])
def test_an_account_id_that_is_missing_or_no_uuid_is_named(ask: Ask, query: dict[str, Any]) -> None:
    answer = ask(STATUS, query=query)

    assert answer.status == 422
    assert "accountId" in answer.json["detail"]
