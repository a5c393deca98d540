"""GET /api/email/runs and /api/email/runs/{runId}."""

from mailsync.model import AccountId, SyncType, Upsert
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from mailsync.store.run_folder_store import RunFolderStore
from mailsync.store.run_store import RunStore
from tests.api.requests import Api, Sql
from tests.api.syncs import begin_run, read_pages
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder

RUNS = "GET /api/email/runs"


def an_ended_run(database: Database, account_id: AccountId, name: str) -> None:
    RunStore(database).complete_or_fail_run(begin_run(database, account_id, name))


def test_the_history_is_the_same_for_each_page_size(
    api: Api, account_id: AccountId, database: Database, sql: Sql
) -> None:
    """Two of the runs have the same time: the id decides."""
    empty = api(RUNS, query={"accountId": account_id})
    assert (empty.status, empty.json) == (200, {"runs": [], "nextCursor": None})
    for name in ("a", "b", "c", "d"):
        an_ended_run(database, account_id, name)
    sql("UPDATE mailsync.sync_runs SET created_at = '2026-01-02' WHERE id IN ('b', 'c')")
    sql("UPDATE mailsync.sync_runs SET created_at = '2026-01-01' WHERE id = 'a'")

    for limit in ("1", "2", "4", "5", "100"):
        shown = read_pages(api, RUNS, "runs", accountId=account_id, limit=limit)
        assert [each["runId"] for each in shown] == ["d", "c", "b", "a"]


def test_a_new_run_shifts_no_page(api: Api, account_id: AccountId, database: Database) -> None:
    an_ended_run(database, account_id, "a")
    an_ended_run(database, account_id, "b")
    first = api(RUNS, query={"accountId": account_id, "limit": "1"}).json

    an_ended_run(database, account_id, "c")
    second = api(RUNS, query={"accountId": account_id, "cursor": first["nextCursor"]}).json

    assert [each["runId"] for each in second["runs"]] == ["a"]


def test_a_run_shows_its_folders(api: Api, account_id: AccountId, database: Database) -> None:
    runs, folders, parts = RunStore(database), FolderStore(database), RunFolderStore(database)
    run = begin_run(database, account_id, "r1", sync_type=SyncType.INITIAL)
    folders.save_tree_changes(run, [a_remote_folder("F1"), a_remote_folder("F2")], [])
    first, second = folders.read_existing_folders(account_id)
    parts.begin_feed(run, first.feed.ref)
    page = a_page(Upsert(a_message("m1")), Upsert(a_message("m2")))
    CredentialStore(database).add_data_key(b"wrapped")
    MailStore(database).write_page(run, a_page_write(first.feed, page))
    parts.fail_folder(run, second.ref.id, "ProviderRejected", "Graph says 400.")
    LeaseStore(database).renew_lease(run, requests=7)
    runs.fail_run(account_id, run.run_id, "arn-r1", "FoldersFailed", "Some folders failed.")

    shown = api("GET /api/email/runs/r1").json

    assert (shown["status"], shown["syncType"], shown["trigger"]) == ("failed", "initial", "api")
    assert (shown["requests"], shown["repairRounds"], shown["folders"]) == (7, 0, None)
    assert shown["error"] == {"name": "FoldersFailed", "message": "Some folders failed."}
    assert shown["createdAt"] <= shown["startedAt"] <= shown["finishedAt"]
    done, failed = shown["steps"]
    assert (done["displayName"], done["status"], done["error"]) == ("Folder F1", "completed", None)
    assert (done["attempts"], done["pages"], done["requests"], done["inserted"]) == (1, 1, 1, 2)
    assert (failed["status"], failed["error"]["name"]) == ("failed", "ProviderRejected")
