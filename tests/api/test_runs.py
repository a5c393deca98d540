"""GET /api/email/runs and /api/email/runs/{runId}."""

import base64
import json
from typing import Any
from uuid import uuid4

from mailsync.model import AccountId, RunId, RunRef, SyncType, Upsert
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from mailsync.store.run_folder_store import RunFolderStore
from mailsync.store.run_store import RunStore
from tests.api.conftest import Ask, Sql
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder

RUNS = "GET /api/email/runs"
MOST = 50


def an_ended_run(database: Database, account_id: AccountId, name: str) -> RunRef:
    runs = RunStore(database)
    epoch = LeaseStore(database).begin(
        account_id, RunId(name), f"arn-{name}", SyncType.AUTO, "schedule"
    )
    assert epoch is not None
    run = RunRef(account_id, RunId(name), epoch)
    runs.complete(run)
    return run


def read_all(ask: Ask, account_id: AccountId, limit: int) -> list[str]:
    seen: list[str] = []
    query: dict[str, Any] = {"accountId": account_id, "limit": str(limit)}
    while True:
        page = ask(RUNS, query=query).json
        seen += [each["runId"] for each in page["runs"]]
        assert len(seen) <= MOST, "the pages do not end"
        if page["nextCursor"] is None:
            return seen
        query["cursor"] = page["nextCursor"]


def test_the_page_size_does_not_show_in_the_history(
    ask: Ask, account_id: AccountId, database: Database, sql: Sql
) -> None:
    """Two of the runs have the same time: the id decides."""
    for name in ("a", "b", "c", "d"):
        an_ended_run(database, account_id, name)
    sql("UPDATE mailsync.sync_runs SET created_at = '2026-01-02' WHERE id IN ('b', 'c')")
    sql("UPDATE mailsync.sync_runs SET created_at = '2026-01-01' WHERE id = 'a'")

    for limit in (1, 2, 4, 5, 100):
        assert read_all(ask, account_id, limit) == ["d", "c", "b", "a"]


def test_a_run_that_begins_meanwhile_does_not_shift_the_pages(
    ask: Ask, account_id: AccountId, database: Database
) -> None:
    an_ended_run(database, account_id, "a")
    an_ended_run(database, account_id, "b")
    first = ask(RUNS, query={"accountId": account_id, "limit": "1"}).json

    an_ended_run(database, account_id, "c")
    second = ask(RUNS, query={"accountId": account_id, "cursor": first["nextCursor"]}).json

    assert [each["runId"] for each in second["runs"]] == ["a"]


def test_a_run_is_shown_with_what_each_folder_did(
    ask: Ask, account_id: AccountId, database: Database
) -> None:
    runs, folders, parts = RunStore(database), FolderStore(database), RunFolderStore(database)
    epoch = LeaseStore(database).begin(account_id, RunId("r1"), "arn", SyncType.INITIAL, "api")
    assert epoch is not None
    run = RunRef(account_id, RunId("r1"), epoch)
    folders.save(run, [a_remote_folder("F1"), a_remote_folder("F2")], [])
    first, second = folders.folders(account_id)
    parts.begin(run, first.ref.id)
    page = a_page(Upsert(a_message("m1")), Upsert(a_message("m2")))
    CredentialStore(database).add_data_key(b"wrapped")
    MailStore(database).apply_page(run, a_page_write(first, page))
    parts.fail(run, second.ref.id, "ProviderRejected", "Graph says 400.")
    LeaseStore(database).renew(run, requests=7)
    runs.fail(account_id, run.run_id, "arn", "FoldersFailed", "Some folders failed.")

    shown = ask("GET /api/email/runs/r1").json

    assert (shown["status"], shown["syncType"], shown["trigger"]) == ("failed", "initial", "api")
    assert (shown["requests"], shown["repairRounds"], shown["folders"]) == (7, 0, None)
    assert shown["error"] == {"name": "FoldersFailed", "message": "Some folders failed."}
    assert shown["createdAt"] <= shown["startedAt"] <= shown["finishedAt"]
    done, failed = shown["steps"]
    assert (done["displayName"], done["status"], done["error"]) == ("Folder F1", "completed", None)
    assert (done["attempts"], done["pages"], done["requests"], done["inserted"]) == (1, 1, 1, 2)
    assert (failed["status"], failed["error"]["name"]) == ("failed", "ProviderRejected")


def test_another_users_runs_look_like_those_that_do_not_exist(
    ask: Ask, account_id: AccountId, database: Database
) -> None:
    an_ended_run(database, account_id, "r1")

    assert ask("GET /api/email/runs/r1", user="bo") == ask("GET /api/email/runs/r2", user="bo")
    assert ask("GET /api/email/runs/r1", user="bo").status == 404
    theirs = ask(RUNS, query={"accountId": account_id}, user="bo")
    unknown = ask(RUNS, query={"accountId": str(uuid4())}, user="bo")
    assert (theirs.status, theirs) == (404, unknown)


def test_an_account_that_never_synced_has_no_runs(ask: Ask, account_id: AccountId) -> None:
    answer = ask(RUNS, query={"accountId": account_id})

    assert (answer.status, answer.json) == (200, {"runs": [], "nextCursor": None})


def test_a_name_that_no_run_can_have_is_not_found(ask: Ask) -> None:
    for name in ("a\0b", "x" * 81, "a:b", "a b", "\ud800"):
        assert ask(f"GET /api/email/runs/{name}").status == 404


def test_a_limit_is_a_number_from_1_to_100(ask: Ask, account_id: AccountId) -> None:
    for limit in ("0", "101", "-1", "many", "1.5"):
        answer = ask(RUNS, query={"accountId": account_id, "limit": limit})
        assert answer.status == 422
        assert "limit" in answer.json["detail"]


def of_a_time(moment: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([moment, "a"]).encode()).decode()


NOT_GIVEN_OUT = (
    *("", "%%%", "bm9wZQ==", "W10=", "WyIyMDI2LTAxLTAyIiwiYSJd", "eyJhIjogMX0=", "é"),
    *map(of_a_time, ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59")),
    "WyIyMDI2LTAxLTAyVDAwOjAwOjAwKzAwOjAwIiwiYVx1MDAwMCJd",  # an id with a NUL
)


def test_a_cursor_that_was_not_given_out_is_refused(ask: Ask, account_id: AccountId) -> None:
    for cursor in NOT_GIVEN_OUT:
        answer = ask(RUNS, query={"accountId": account_id, "cursor": cursor})
        assert answer.status == 422
        assert answer.json["type"] == "urn:mailsync:problem:invalid-cursor"
