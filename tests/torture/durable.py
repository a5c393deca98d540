"""What outlives a process that dies: the rows that it has committed, and the provider's memory."""

import sqlite3
from functools import cached_property

import pg8000.native

from mailsync.settings import Settings
from mailsync.store.connection import connect

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'mailsync' ORDER BY 1"
_HASH = "(SELECT coalesce(sum(hashtextextended(t::text, 0)), 0) FROM mailsync.{table} t)"


class DurableState:
    """`read` returns a value that differs from that of the moment before when anything has changed.

    It looks from connections of its own, so it sees nothing of an open transaction.
    """

    def __init__(self, database_url: str, provider_file: str) -> None:
        self._database_url = database_url
        self._provider_file = provider_file

    def read(self) -> object:
        return self._tables.run(self._hashes), self._provider.execute(
            "PRAGMA data_version"
        ).fetchone()

    @cached_property
    def _tables(self) -> pg8000.native.Connection:
        return connect(Settings({"DATABASE_URL": self._database_url}))

    @cached_property
    def _hashes(self) -> str:
        names = [name for [name] in self._tables.run(_TABLES)]
        return f"SELECT {', '.join(_HASH.format(table=name) for name in names)}"

    @cached_property
    def _provider(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{self._provider_file}?mode=ro", uri=True, check_same_thread=False
        )
