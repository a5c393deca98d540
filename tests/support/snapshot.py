"""The tables of a mirror and the memory of its provider, kept so that both can be set back."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from sqlite3 import Connection as Copy

from pg8000.native import Connection

from localdev.simulators import Simulators

_KEPT = ("schema_migrations", "data_keys")
_TABLES = """
SELECT tablename FROM pg_tables WHERE schemaname = 'mailsync' AND NOT tablename = ANY(:kept)"""
_numbers = count(1)


@dataclass(frozen=True)
class Snapshot:
    """`restore` makes everything as it was when the snapshot was taken."""

    _tables: Connection
    _simulators: Simulators
    _writes: str
    _provider: Copy

    def restore_rows(self) -> None:
        self._tables.run(self._writes)

    def restore(self) -> None:
        self._simulators.service.database.restore_from_backup(self._provider)
        self._simulators.service.log.clear()
        self._simulators.graph.stored_responses.clear()
        self.restore_rows()


@contextmanager
def snapshot(tables: Connection, simulators: Simulators) -> Iterator[Snapshot]:
    """Copy every table into a schema of its own, and the simulators' memory."""
    schema = f"snapshot_{next(_numbers)}"
    names = [name for [name] in tables.run(_TABLES, kept=list(_KEPT))]
    copies = "".join(f"CREATE TABLE {schema}.{name} AS TABLE mailsync.{name};" for name in names)
    tables.run(f"CREATE SCHEMA {schema}; {copies}")
    rows = "".join(
        f"DELETE FROM mailsync.{name};"
        f"INSERT INTO mailsync.{name} OVERRIDING SYSTEM VALUE SELECT * FROM {schema}.{name};"
        for name in names
    )
    # No trigger and no foreign key has anything to add to what was there before.
    writes = f"BEGIN; SET LOCAL session_replication_role = replica; {rows} COMMIT"
    with closing(simulators.service.database.make_in_memory_backup()) as provider:
        yield Snapshot(tables, simulators, writes, provider)
