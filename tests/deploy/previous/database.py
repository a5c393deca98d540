"""A database connection as a function of the version before has it."""

from collections.abc import Iterator
from contextlib import contextmanager

from mailsync.settings import Settings
from mailsync.store.connection import Database, Transaction
from mailsync.store.statements import load_sql_statements
from tests.deploy.previous import QUERIES


class PreviousDatabase(Database):
    """Runs the statements of the version before, in transactions that do not write placements."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, known=load_sql_statements(QUERIES))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with super().transaction() as tx:
            tx._connection.run("SET LOCAL mailsync.writes_placements = 'off'")
            yield tx
