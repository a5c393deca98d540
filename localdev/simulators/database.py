"""Store the state of the simulators in an SQLite file, so that it survives a restart of the
process."""

import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from localdev.private_files import open_private_file_for_appending

T = TypeVar("T")
_SECRETS = "CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value BLOB NOT NULL)"


class SimulatorDatabase:
    """An SQLite file with one connection, which threads share under a lock. A nested transaction
    commits together with the outermost transaction.

    schema: statements that create the tables unless they exist.
    earlier: tables to drop, with their contents, from files that an earlier release of the
        simulators wrote. A key is a pair (table, column): a file that has this column is from that
        release. The value is the names of the tables to drop.
    """

    def __init__(
        self, path: Path, schema: str, *, earlier: Mapping[tuple[str, str], Sequence[str]]
    ) -> None:
        self._lock = threading.RLock()
        self._kept: dict[Hashable, tuple[tuple[int, ...], Any]] = {}
        self._undone = 0  # rollbacks and restorations, which SQLite's total_changes does not count
        open_private_file_for_appending(
            path
        ).close()  # SQLite creates its further files with the mode of this file
        for each in path.parent.glob(f"{path.name}-*"):
            each.chmod(0o600)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # Commits survive kill -9, but not a power cut. This is ten times as fast as FULL.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        for (table, column), dropped in earlier.items():
            if column in self._columns(table):
                self._connection.executescript(
                    "".join(f"DROP TABLE IF EXISTS {each};" for each in dropped)
                )
        self._connection.executescript(f"{schema};{_SECRETS}")

    def _columns(self, table: str) -> set[str]:
        known = self._connection.execute(f"PRAGMA table_info({table})").fetchall()
        return {row["name"] for row in known}

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
                self._undone += 1
                raise
            self._connection.execute("COMMIT")

    def fetch_rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def fetch_row(self, statement: str, *values: Any) -> sqlite3.Row | None:
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(statement, values).fetchone()
            return found

    def get_or_compute_cached_result(self, key: Hashable, read: Callable[[], T]) -> T:
        """Return the cached result of `read` for the key.

        Call `read` if there is no cached result, or if this or another process has written to the
        database since the result was cached.
        """
        with self._lock:
            (others,) = self._connection.execute("PRAGMA data_version").fetchone()
            version = (others, self._connection.total_changes, self._undone)
            kept = self._kept.get(key)
            if kept is None or kept[0] != version:
                self._kept[key] = kept = (version, read())
            found: T = kept[1]
            return found

    def execute_write(self, statement: str, *values: Any) -> int:
        """Run a statement that writes; return the number of rows written."""
        with self._lock:
            return self._connection.execute(statement, values).rowcount

    def last_inserted_row_id(self) -> int:
        """Return the primary key of the row that this connection inserted last, into any table.
        Call this method in the transaction of the insertion."""
        row = self.fetch_row("SELECT last_insert_rowid() AS number")
        assert row is not None
        return int(row["number"])

    def read_or_create_secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return the secret stored under `name`. If there is none yet, store and return the result
        of `make`."""
        with self.transaction():
            stored = self.fetch_row("SELECT value FROM secret WHERE name = ?", name)
            if stored is not None:
                return bytes(stored["value"])
            made = make()
            self.execute_write("INSERT INTO secret VALUES (?, ?)", name, made)
            return made

    def make_in_memory_backup(self) -> sqlite3.Connection:
        """Return a copy of the whole database in memory, for `restore_from_backup`."""
        copied = sqlite3.connect(":memory:", check_same_thread=False)
        with self._lock:
            self._connection.backup(copied)
        return copied

    def restore_from_backup(self, copied: sqlite3.Connection) -> None:
        """Replace the whole database by a copy that `make_in_memory_backup` returned."""
        with self._lock:
            copied.backup(self._connection)
            self._undone += 1

    def close(self) -> None:
        with self._lock:
            self._connection.close()
