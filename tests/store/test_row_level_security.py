"""Every table is guarded, also those of later migrations, and the guard costs next to nothing."""

import re
from collections.abc import Callable

import pytest

from mailsync.store.connection import Database
from tests.store.reader import Reader
from tests.store.rows import one, rows
from tests.store.two_mailboxes import OWNER

pytestmark = pytest.mark.xdist_group("row_level_security")  # one process fills one database
# What no application may read; a new table stands here or in OWNER.
PRIVATE = {
    "call_limits",
    "check_slots",
    "data_keys",
    "email_credentials",
    "change_feeds",
    "conversation_keys",
    "joined_keys",
    "message_keys",
    "quota_buckets",
    "quota_use",
    "outbox",
    "pending_connections",
    "pending_messages",
    "schema_migrations",
    "provider_subscriptions",
    "self_tests",
    "sign_ins",
    "sync_queue",
}
RELATIONS = "SELECT relname FROM pg_class WHERE relnamespace = 'mailsync'::regnamespace"
WRITES = "INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"
OPEN_TO_THE_FUNCTIONS = (
    "SELECT tablename FROM pg_policies WHERE schemaname = 'mailsync'"
    " AND 'mailsync_writer' = ANY (roles) AND qual = 'true'"
)
MANY = """
INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address)
SELECT 'user-' || n, 'microsoft', n, 'x' FROM generate_series(1, 20) AS n;
INSERT INTO mailsync.email_folders (account_id, remote_id, display_name)
SELECT id, n, n FROM mailsync.email_accounts, generate_series(1, 5) AS n;
INSERT INTO mailsync.emails (account_id, folder_id, message_id, internet_message_id, subject,
       to_recipients, cc_recipients, bcc_recipients, reply_to, snippet, is_read, is_draft,
       is_flagged, has_attachments, importance, categories, received_at, kind, row_hash, walk)
SELECT account_id, id, id || '-' || n, '<' || n || '@' || id || '>', '', '[]', '[]', '[]', '[]',
       '', true, false, false, false, '', '[]', now() - n * interval '1 minute', '',
       gen_random_uuid(), 1
  FROM mailsync.email_folders, generate_series(1, 1000) AS n;
ANALYZE mailsync.email_accounts, mailsync.email_folders, mailsync.emails,
        mailsync.email_placements"""
LIST = """SELECT id, subject FROM mailsync.emails
 WHERE account_id = '{account}' AND folder_id = {folder} ORDER BY received_at DESC, id DESC
 LIMIT 50"""
MESSAGE_ID_CONDITIONS = (
    "internet_message_id = '<7@{folder}>'",
    "account_id = '{account}' AND internet_message_id = '<7@{folder}>' AND removed_at IS NULL",
    "internet_message_id IN ('<7@{folder}>', '<8@{folder}>')",
    "internet_message_id IN (SELECT 'the parent of ' || subject FROM mailsync.emails"
    " WHERE folder_id = {folder} AND account_id = '{account}' LIMIT 9)",
)


def tables_where(database: Database, condition: str) -> set[str]:
    found = rows(database, f"{RELATIONS} AND relkind IN ('r', 'p') AND {condition}")
    return {name for (name,) in found}


@pytest.mark.parametrize(
    "condition",
    [
        "NOT relrowsecurity",
        f"has_table_privilege('mailsync_reader', oid, '{WRITES}')",
        "NOT has_table_privilege('mailsync_writer', oid, 'SELECT')",
        f"relname NOT IN ({OPEN_TO_THE_FUNCTIONS})",
    ],
    ids=["without a guard", "changed by readers", "closed to the functions", "hidden from them"],
)
def test_no_table_is(database: Database, condition: str) -> None:
    assert tables_where(database, condition) == set()


def test_every_view_asks_with_the_rights_of_its_reader(database: Database) -> None:
    trusting = "NOT coalesce('security_invoker=true' = ANY (reloptions), false)"

    assert rows(database, f"{RELATIONS} AND relkind IN ('v', 'm') AND {trusting}") == []


def test_every_table_is_readable_or_private_by_decision(database: Database) -> None:
    reads = "has_any_column_privilege('mailsync_reader', oid, 'SELECT')"

    assert tables_where(database, reads) == OWNER.keys()
    assert tables_where(database, f"NOT {reads}") == PRIVATE


def test_the_functions_cannot_lose_a_key_nor_rewrite_history(database: Database) -> None:
    deletes = "has_table_privilege('mailsync_writer', oid, 'DELETE')"

    assert tables_where(database, f"NOT {deletes}") == {"data_keys", "schema_migrations"}


@pytest.mark.parametrize("role", ["public", "mailsync_reader", "mailsync_writer"])
def test_nobody_but_the_owner_creates_anything(database: Database, role: str) -> None:
    assert one(database, f"SELECT has_schema_privilege('{role}', 'mailsync', 'CREATE')") == [False]


@pytest.fixture(scope="module")
def plan_of(shared_database: Database, shared_reader: Reader) -> Callable[[str], str]:
    """How a statement is run for one of twenty users with 5,000 mails each, by a reader.

    `{account}` and `{folder}` in it are that user's.
    """
    rows(shared_database, MANY)
    account, folder = one(
        shared_database,
        "SELECT a.id::text, f.id FROM mailsync.email_accounts a"
        " JOIN mailsync.email_folders f ON f.account_id = a.id WHERE user_id = 'user-7' LIMIT 1",
    )

    def plan_of(statement: str) -> str:
        explain = "EXPLAIN " + statement.format(account=account, folder=folder)
        return "\n".join(line for (line,) in shared_reader.rows(explain, user="user-7"))

    return plan_of


def test_the_list_of_a_folder_among_100_000_mails_is_an_index_scan(
    plan_of: Callable[[str], str],
) -> None:
    plan = plan_of(LIST)

    assert "Index Scan using emails_list" in plan, plan
    assert "Sort" not in plan
    assert "SubPlan" not in plan  # asked once per statement, not once per row


@pytest.mark.parametrize("condition", MESSAGE_ID_CONDITIONS)
def test_a_message_among_100_000_is_found_by_its_message_id_through_the_index(
    plan_of: Callable[[str], str], condition: str
) -> None:
    plan = plan_of(f"SELECT id, subject FROM mailsync.emails m WHERE {condition}")

    assert re.search(r"Index Scan (using|on) emails_by_internet_id", plan), plan
    assert "Seq Scan on emails" not in plan
