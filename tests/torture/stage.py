"""One mailbox with its mirror for many histories, set back to its beginning for each."""

from contextlib import ExitStack, closing
from dataclasses import dataclass
from sqlite3 import Connection as Copy
from typing import Any, Self

from pg8000.native import Connection

from localdev.simulators.service import Service
from tests.torture.changes import fill
from tests.torture.orders import Ending
from tests.torture.world import Mirror, World

FEW, MANY = 15, 45
_KEPT = ("schema_migrations", "data_keys")
_TABLES = """
SELECT tablename FROM pg_tables WHERE schemaname = 'mailsync' AND NOT tablename = ANY(:kept)"""


@dataclass(frozen=True)
class _Beginning:
    """`schema` holds a copy of each table, `provider` one of the simulators' memory."""

    schema: str
    provider: Copy


class Stage:
    """A context manager. `tables` is a connection to the mirror's database, past the product."""

    tables: Connection

    def __init__(self, world: World, messages: int) -> None:
        self._world = world
        self._messages = messages
        self._open = ExitStack()

    def __enter__(self) -> Self:
        mailbox = self._world.simulators.add_mailbox(f"history-{self._messages}@example.org")
        fill(mailbox, messages=self._messages)
        with ExitStack() as opened:
            self.mirror: Mirror = opened.enter_context(self._world.connected(mailbox))
            self.tables = opened.enter_context(self._world.opened(self.mirror))
            self._names = [name for [name] in self.tables.run(_TABLES, kept=list(_KEPT))]
            connected = self._copied("connected", opened)
            self._world.sync(self.mirror, is_forked=False)
            self._beginnings = {False: connected, True: self._copied("synced", opened)}
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def service(self) -> Service:
        return self._world.simulators.service

    def set_back(self, *, is_synced: bool) -> None:
        """To a mailbox that was just connected, or just synced for the first time."""
        beginning = self._beginnings[is_synced]
        self.service.database.restore(beginning.provider)
        self.service.log.clear()
        self._world.simulators.graph.earlier.clear()
        writes = "".join(
            f"DELETE FROM mailsync.{name};"
            f"INSERT INTO mailsync.{name} OVERRIDING SYSTEM VALUE"
            f" SELECT * FROM {beginning.schema}.{name};"
            for name in self._names
        )
        # No trigger and no foreign key has anything to add to what was there before.
        self.tables.run(f"BEGIN; SET LOCAL session_replication_role = replica; {writes} COMMIT")

    def sync(self, **asked: Any) -> Ending:
        """One sync; `asked` are fields of an Order."""
        return self._world.sync(self.mirror, **asked)

    def _copied(self, name: str, opened: ExitStack) -> _Beginning:
        schema = f"beginning_{name}"
        copies = "".join(
            f"CREATE TABLE {schema}.{each} AS TABLE mailsync.{each};" for each in self._names
        )
        self.tables.run(f"CREATE SCHEMA {schema}; {copies}")
        return _Beginning(schema, opened.enter_context(closing(self.service.database.copy())))
