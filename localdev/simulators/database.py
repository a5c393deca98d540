"""The simulators' SQLite file, so that they continue where they were after they were killed."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localdev.private_files import open_private_file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mailbox (
    id TEXT PRIMARY KEY, address TEXT NOT NULL UNIQUE COLLATE NOCASE, display_name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS folder (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, mailbox_id TEXT NOT NULL, id TEXT NOT NULL UNIQUE,
    parent_id TEXT, display_name TEXT NOT NULL, role TEXT, is_hidden INTEGER NOT NULL,
    search_filter TEXT, total INTEGER NOT NULL DEFAULT 0, unread INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS folder_of_mailbox ON folder (mailbox_id, parent_id);
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, mailbox_id TEXT NOT NULL, folder_id TEXT NOT NULL,
    immutable_id TEXT NOT NULL UNIQUE, default_id TEXT NOT NULL UNIQUE, change_key TEXT NOT NULL,
    received_at TEXT NOT NULL, is_read INTEGER NOT NULL, properties BLOB NOT NULL,
    body_type TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS message_by_age ON message (folder_id, received_at, seq);
CREATE TRIGGER IF NOT EXISTS message_arrives AFTER INSERT ON message BEGIN
    UPDATE folder SET total = total + 1, unread = unread + 1 - new.is_read
     WHERE id = new.folder_id; END;
CREATE TRIGGER IF NOT EXISTS message_leaves AFTER DELETE ON message BEGIN
    UPDATE folder SET total = total - 1, unread = unread - 1 + old.is_read
     WHERE id = old.folder_id; END;
CREATE TRIGGER IF NOT EXISTS message_moves AFTER UPDATE OF folder_id, is_read ON message BEGIN
    UPDATE folder SET total = total - 1, unread = unread - 1 + old.is_read
     WHERE id = old.folder_id;
    UPDATE folder SET total = total + 1, unread = unread + 1 - new.is_read
     WHERE id = new.folder_id; END;
CREATE TABLE IF NOT EXISTS change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, mailbox_id TEXT NOT NULL, folder_id TEXT NOT NULL,
    kind TEXT NOT NULL, immutable_id TEXT, default_id TEXT, fields TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS change_of_folder ON change (folder_id, seq);
CREATE INDEX IF NOT EXISTS change_of_mailbox ON change (mailbox_id, seq);
CREATE TABLE IF NOT EXISTS chain (
    id TEXT PRIMARY KEY, folder_id TEXT NOT NULL, highest INTEGER NOT NULL,
    first_valid INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS subscription (
    id TEXT PRIMARY KEY, mailbox_id TEXT NOT NULL, folder_id TEXT, resource TEXT NOT NULL,
    change_types TEXT NOT NULL, notification_url TEXT NOT NULL, lifecycle_url TEXT,
    client_state TEXT, expires_at REAL NOT NULL, immutable_ids INTEGER NOT NULL,
    authorized INTEGER NOT NULL, seen INTEGER NOT NULL, creator_id TEXT);
CREATE TABLE IF NOT EXISTS notification (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL, body BLOB NOT NULL,
    first_at REAL NOT NULL, due_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS consent (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, scope TEXT NOT NULL,
    refusal INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS code (
    value TEXT PRIMARY KEY, consent_id TEXT NOT NULL, redirect_uri TEXT NOT NULL,
    challenge TEXT, nonce TEXT, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS refresh_token (
    value TEXT PRIMARY KEY, consent_id TEXT NOT NULL, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS app_certificate (thumbprint TEXT PRIMARY KEY, pem TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""


class Database:
    """One SQLite connection behind a lock; nested transactions commit with the outermost one."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        open_private_file(
            path
        ).close()  # SQLite gives its mode to the files that it makes beside it
        for each in path.parent.glob(f"{path.name}-*"):
            each.chmod(0o600)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # Survives kill -9, not a power cut: enough for a simulator, and ten times as fast.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        self._add_column("subscription", "creator_id TEXT")

    def _add_column(self, table: str, column: str) -> None:
        """Add the column to a file of an earlier release, whose table lacks it."""
        known = self._connection.execute(f"PRAGMA table_info({table})").fetchall()
        if column.split(maxsplit=1)[0] not in {row["name"] for row in known}:
            self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: Any) -> sqlite3.Row | None:
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(statement, values).fetchone()
            return found

    def write(self, statement: str, *values: Any) -> int:
        """Run a statement that writes; return the number of rows written."""
        with self._lock:
            return self._connection.execute(statement, values).rowcount

    def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return the stored secret of that name; `make` creates it at the first call."""
        with self.transaction():
            stored = self.row("SELECT value FROM secret WHERE name = ?", name)
            if stored is not None:
                return bytes(stored["value"])
            made = make()
            self.write("INSERT INTO secret VALUES (?, ?)", name, made)
            return made

    def copy(self) -> sqlite3.Connection:
        """Return a copy of the whole database in memory, for `restore`."""
        copied = sqlite3.connect(":memory:", check_same_thread=False)
        with self._lock:
            self._connection.backup(copied)
        return copied

    def restore(self, copied: sqlite3.Connection) -> None:
        """Replace the whole database by a copy that `copy` returned."""
        with self._lock:
            copied.backup(self._connection)

    def close(self) -> None:
        with self._lock:
            self._connection.close()
