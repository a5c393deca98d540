"""A first sync costs the same while Postgres has no statistics of the account's rows."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from mailsync.settings import Settings
from mailsync.store.connection import Connection, connect
from mailsync.store.statements import load_sql_statements
from tests.store.rows import plan_nodes

MESSAGES = 2_000
TABLES = "mailsync.emails, mailsync.email_placements, mailsync.message_keys"
FILL = (
    "INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address)"
    " VALUES (:user, 'imap', :user, 'ann@example.org')",
    "INSERT INTO mailsync.email_folders (account_id, remote_id, display_name)"
    " SELECT id, 'F1', 'F1' FROM mailsync.email_accounts WHERE user_id = :user",
    "INSERT INTO mailsync.change_feeds (folder_id) SELECT max(id) FROM mailsync.email_folders",
    "INSERT INTO mailsync.emails (account_id, folder_id, message_id, subject, to_recipients,"
    " cc_recipients, bcc_recipients, reply_to, snippet, is_read, is_draft, is_flagged,"
    " has_attachments, importance, categories, received_at, kind, row_hash, walk)"
    " SELECT account_id, id, 'm' || n, '', '[]', '[]', '[]', '[]', '', true, false, false,"
    " false, 'normal', '[]', now(), 'message', gen_random_uuid(), 1"
    f" FROM mailsync.email_folders f, generate_series(1, {MESSAGES}) n"
    " WHERE id = (SELECT max(id) FROM mailsync.email_folders)",
    "INSERT INTO mailsync.email_placements (account_id, folder_id, email_id, generation,"
    " received_at) SELECT account_id, folder_id, id, 1, received_at FROM mailsync.emails"
    " WHERE folder_id = (SELECT max(id) FROM mailsync.email_folders)",
    "INSERT INTO mailsync.message_keys (email_id, account_id, remote_key)"
    " SELECT id, account_id, message_id FROM mailsync.emails"
    " WHERE folder_id = (SELECT max(id) FROM mailsync.email_folders)",
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A mailbox that the statistics do not know yet, beside one that they know."""
    with closing(connect(Settings({"DATABASE_URL": database_url}))) as connection:
        connection.run("BEGIN")
        connection.run("SET LOCAL mailsync.writes_placements = on")
        for user in ("bob", "ann"):
            for statement in FILL:
                connection.run(statement, **({"user": user} if ":user" in statement else {}))
            if user == "bob":
                connection.run(f"ANALYZE {TABLES}")
        yield connection
        connection.run("ROLLBACK")


@pytest.mark.parametrize("statement", ["lock_unseen", "recount"])
def test_a_statement_over_all_messages_reads_each_a_few_times_at_most(
    statement: str, connection: Connection
) -> None:
    newest = "SELECT account_id, feed_id FROM mailsync.email_folders ORDER BY id DESC LIMIT 1"
    [found] = connection.run(newest)
    given = {"account_id": found[0], "feed_id": found[1], "generation": 2}
    given |= {
        "run_id": "a run",
        "is_left": False,
        "is_every": True,
        "seen": "[]",
        "folder_ids": None,
        "limit": None,
    }
    sql = load_sql_statements()[statement]
    named = {name: each for name, each in given.items() if f":{name}" in sql}
    [[[plan]]] = connection.run(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", **named)

    assert sum(map(_rows_read, plan_nodes(plan["Plan"]))) <= 10 * MESSAGES, plan


def _rows_read(node: dict[str, Any]) -> float:
    if "Scan" not in node["Node Type"] and "Join" not in node["Node Type"]:
        return 0
    removed = sum(value for name, value in node.items() if name.startswith("Rows Removed"))
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])
