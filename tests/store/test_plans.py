"""What a sync asks of the database costs as much as its own mailbox, however many there are."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from mailsync.settings import Settings
from mailsync.store.connection import Connection, Database, connect
from mailsync.store.statements import load_sql_statements
from tests.store.rows import one, plan_nodes, rows

pytestmark = pytest.mark.xdist_group("plans")  # one process fills one database
OTHERS, IN_THEIR_FOLDERS, IN_OURS = 500, 25, 2000
FILL = (
    "INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address)"
    f" SELECT 'ann', 'microsoft', n, 'ann@example.org' FROM generate_series(0, {OTHERS}) n",
    "INSERT INTO mailsync.email_folders (account_id, remote_id, display_name)"
    " SELECT id, name, name FROM mailsync.email_accounts, unnest(array['F1', 'F2']) name",
    "INSERT INTO mailsync.change_feeds (folder_id) SELECT id FROM mailsync.email_folders",
    "INSERT INTO mailsync.emails (account_id, folder_id, message_id, subject, to_recipients,"
    " cc_recipients, bcc_recipients, reply_to, snippet, is_read, is_draft, is_flagged,"
    " has_attachments, importance, categories, received_at, kind, row_hash, walk)"
    " SELECT account_id, id, remote_id || n, '', '[]', '[]', '[]', '[]', '', true, false, false,"
    " false, 'normal', '[]', now(), 'message', gen_random_uuid(), 1"
    f" FROM mailsync.email_folders f, generate_series(1, {IN_OURS}) n"
    f" WHERE n <= {IN_THEIR_FOLDERS} OR f.account_id = (SELECT account_id"
    " FROM mailsync.email_folders ORDER BY id LIMIT 1)",
    "INSERT INTO mailsync.email_quarantine (account_id, message_id, folder_id, cause, detail)"
    " SELECT account_id, message_id, folder_id, 'refused', '' FROM mailsync.emails"
    " WHERE message_id LIKE '%99'",
    "ANALYZE mailsync.email_accounts, mailsync.email_folders, mailsync.change_feeds,"
    " mailsync.email_placements, mailsync.emails, mailsync.email_quarantine",
)

KEYS = {"emails": ("account_id", "(id = "), "email_placements": ("account_id", "email_id")}
GIVEN = {
    "generation": 1,
    "after": "",
    "limit": 10,
    "remote_ids": '["F1"]',
    "checker": "a check",
    "seconds": 60,
    "confirmed_s": 7200.0,
    "choice_s": 7200.0,
    "run_id": "a run",
    "is_left": False,
    "is_every": True,
    "seen": "[]",
}


@pytest.fixture(scope="module")
def ours(shared_database: Database) -> dict[str, Any]:
    """An account of much mail among others of little, and one of its folders."""
    for statement in FILL:
        rows(shared_database, statement)
    first = "SELECT account_id::text, id, feed_id FROM mailsync.email_folders ORDER BY id LIMIT 1"
    account_id, folder_id, feed_id = one(shared_database, first)
    return {"account_id": account_id, "folder_id": folder_id, "feed_id": feed_id}


@pytest.fixture
def connection(shared_url: str) -> Iterator[Connection]:
    """What is done over it, is undone."""
    with closing(connect(Settings({"DATABASE_URL": shared_url}))) as connection:
        connection.run("BEGIN")
        yield connection
        connection.run("ROLLBACK")


@pytest.mark.parametrize(
    "statement",
    [
        "recount",
        "removed_ids",
        "begin_check",
        "drop_gone_folders",
        "sweep_sizes",
        "lock_dropped",
        "checked_folders",
        "folder_counts",
        "folder_status",
    ],
)
def test_mail_is_found_by_its_account_and_hardly_any_is_read_in_vain(
    statement: str, ours: dict[str, Any], connection: Connection
) -> None:
    values = {**ours, **GIVEN, "ids": json.dumps([ours["folder_id"]])}
    values["folder_ids"] = values["ids"]
    values["account_ids"] = json.dumps([ours["account_id"]])
    sql = load_sql_statements()[statement]
    named = {name: each for name, each in values.items() if f":{name}" in sql}
    [[[plan]]] = connection.run(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", **named)

    scans = [each for each in plan_nodes(plan["Plan"]) if "Scan" in each["Node Type"]]
    of_mail = [each for each in scans if each.get("Relation Name") in KEYS]
    assert of_mail
    for scan in of_mail:
        parts = [*plan_nodes(scan)]
        keys = KEYS[scan["Relation Name"]]
        assert any(key in each.get("Index Cond", "") for each in parts for key in keys), plan
        assert sum(each.get("Rows Removed by Filter", 0) for each in parts) < 10, plan
