"""`python -m benchmarks.placements`: what placements cost, and how long an upgrade takes.

The benchmark starts an embedded Postgres and prints

- the time to store a page of messages with their bodies, with and without placements, in turn;
- the plan and the time of the newest 50 messages of a folder of many;
- the time to give the messages that an earlier version stored their placements, the longest
  transaction, and the bytes of a placement with its indexes.
"""

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from localdev.engine.postgres import Postgres
from localdev.mail.generate import generate_mail_items
from localdev.mail.item import MailItem
from mailsync.model import Address, Message, RemoteId
from mailsync.settings import Settings
from mailsync.store import rows
from mailsync.store.connection import Database
from mailsync.store.migrate import apply_migrations
from mailsync.store.placement_store import MESSAGES_PER_PLACEMENT_BATCH
from mailsync.store.statements import load_sql_statements

PAGE_SIZE = 100
_PLACED = re.compile(r"placed AS \(.*?saved\.inserted\),\n", re.DOTALL)
MAX_RATIO = 1.3
TABLES = ("emails", "email_bodies", "email_placements")
ACCOUNT = """
INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address)
SELECT 'ann', 'microsoft', n, 'ann@example.com' FROM generate_series(1, {accounts}) n"""
FOLDERS = """
INSERT INTO mailsync.email_folders (account_id, remote_id, display_name)
SELECT id, 'F1', 'F1' FROM mailsync.email_accounts"""
CURSORS = "INSERT INTO mailsync.change_feeds (folder_id) SELECT id FROM mailsync.email_folders"
MESSAGES = """
INSERT INTO mailsync.emails (account_id, folder_id, message_id, subject, from_name, from_address,
       to_recipients, cc_recipients, bcc_recipients, reply_to, snippet, is_read, is_draft,
       is_flagged, has_attachments, importance, categories, received_at, kind, row_hash, walk)
SELECT f.account_id, f.id, 'AAMkAD' || n, 'Mail ' || n, 'Ada', 'ada@example.com', '[]', '[]', '[]',
       '[]', repeat('snippet ', 25), n % 3 = 0, false, false, false, 'normal', '[]',
       now() - make_interval(mins => n), 'message', gen_random_uuid(), 1
  FROM generate_series(1, {messages}) n, mailsync.email_folders f"""
LIST = """
SELECT m.id, m.subject, m.from_address, m.is_read, m.received_at
  FROM mailsync.email_placements p JOIN mailsync.emails m ON m.id = p.email_id
 WHERE p.account_id = '{account_id}' AND p.folder_id = {folder_id}
 ORDER BY p.received_at DESC, p.email_id DESC LIMIT 50"""


def main() -> int:
    """Return 0 if storing costs at most `MAX_RATIO` times as much as without placements, else 1."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder)) as server:
        settings = Settings({"DATABASE_URL": server.superuser_socket_url})
        apply_migrations(settings)
        ratio = _store(settings, options.pages)
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder)) as server:
        settings = Settings({"DATABASE_URL": server.superuser_socket_url})
        apply_migrations(settings)
        _fill(Database(settings), options.accounts, options.messages)
    return 0 if ratio <= MAX_RATIO else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placements", description=__doc__)
    parser.add_argument("--pages", type=int, default=200, help="pages that are stored each way")
    parser.add_argument("--accounts", type=int, default=50, help="accounts of the upgrade")
    parser.add_argument("--messages", type=int, default=20_000, help="messages of each")
    return parser.parse_args()


def _run(database: Database, sql: str) -> list[list[object]]:
    with database.transaction() as tx:
        return tx._connection.run(sql) or []


def _store(settings: Settings, pages: int) -> float:
    """Store pages with and without placements in turn; return the ratio of the medians."""
    known = load_sql_statements()
    without = {**known, "upsert_emails": _PLACED.sub("", known["upsert_emails"])}
    databases = (Database(settings, known=without), Database(settings))
    for sql in (ACCOUNT.format(accounts=2), FOLDERS, CURSORS):
        _run(databases[0], sql)
    folders = _run(databases[0], "SELECT account_id::text, id FROM mailsync.email_folders")
    seconds: tuple[list[float], list[float]] = ([], [])
    for page in _pages(pages):
        for way, (database, (account_id, folder_id)) in enumerate(
            zip(databases, folders, strict=True)
        ):
            began = time.perf_counter()
            with database.transaction() as tx:
                for chunk in rows.chunk_rows_by_size(page):
                    tx.run("upsert_emails", account_id=account_id, folder_id=folder_id, page=chunk)
            seconds[way].append(time.perf_counter() - began)
    medians = [statistics.median(each) * 1000 for each in seconds]
    ratio = medians[1] / medians[0]
    print(
        f"page of {PAGE_SIZE} messages: {medians[0]:.1f} ms without, {medians[1]:.1f} ms with"
        f" placements: ratio {ratio:.2f}"
    )
    return ratio


def _pages(pages: int) -> Iterator[list[rows.JsonRow]]:
    mail = generate_mail_items(PAGE_SIZE * pages, owner="ann@example.com")
    page: list[rows.JsonRow] = []
    for number, item in enumerate(mail):
        page.append(rows.message_to_row(_message(number, item)))
        if len(page) == PAGE_SIZE:
            yield page
            page = []


def _message(number: int, item: MailItem) -> Message:
    sender = item.sender
    return Message(
        remote_id=RemoteId(f"AAMkAD{number:0140}"),
        folder_remote_ids=(RemoteId("F1"),),
        subject=item.subject,
        sender=Address(sender.name, sender.address) if sender else None,
        to=tuple(Address(each.name, each.address) for each in item.to),
        preview=item.body[:255],
        body_html=f"<html><body>{item.body}</body></html>",
        received_at=item.received_at,
        internet_message_id=item.internet_message_id,
    )


def _bytes(database: Database) -> int:
    sizes = " + ".join(f"pg_total_relation_size('mailsync.{each}')" for each in TABLES)
    [[found]] = _run(database, f"SELECT {sizes}")
    assert isinstance(found, int)
    return found


def _fill(database: Database, accounts: int, messages: int) -> None:
    """Fill the placements of an earlier version's messages, then list a folder's newest."""
    for sql in (
        *(ACCOUNT.format(accounts=accounts), FOLDERS, CURSORS, MESSAGES.format(messages=messages)),
        "UPDATE mailsync.email_accounts SET placements_filled_to = 0",
    ):
        _run(database, sql)
    messages_bytes = _bytes(database)
    longest, began = 0.0, time.perf_counter()
    for [account_id] in _run(database, "SELECT id::text FROM mailsync.email_accounts"):
        is_left = True
        while is_left:
            batch_began = time.perf_counter()
            with database.transaction() as tx:
                filled = tx.run(
                    "fill_placements", account_id=account_id, limit=MESSAGES_PER_PLACEMENT_BATCH
                )
            is_left = filled[0][0] is not None
            longest = max(longest, time.perf_counter() - batch_began)
    print(
        f"{accounts * messages:,} messages of {accounts} accounts placed in"
        f" {time.perf_counter() - began:.0f} s, the longest transaction {longest * 1000:.0f} ms;"
        f" {(_bytes(database) - messages_bytes) / (accounts * messages):.0f} bytes per message,"
        f" beside {messages_bytes / (accounts * messages):.0f} of the message without its body"
    )
    _run(database, "ANALYZE mailsync.email_placements, mailsync.emails")
    [[account_id, folder_id]] = _run(
        database, "SELECT account_id::text, id FROM mailsync.email_folders ORDER BY id LIMIT 1"
    )
    query = LIST.format(account_id=account_id, folder_id=folder_id)
    for [line] in _run(database, f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {query}"):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
