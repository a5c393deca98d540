"""A deployment migrates first: for a while functions of the version before meet the new schema."""

import pg8000.native

from mailsync.settings import Settings
from mailsync.store.connection import connect
from mailsync.store.statements import load_sql_statements
from tests.deploy.previous import QUERIES


def test_every_statement_of_the_previous_version_runs_on_todays_schema(settings: Settings) -> None:
    """The server parses it, and so finds every table, column and function that it names."""
    connection = connect(settings)
    refused = {}

    for name, statement in load_sql_statements(QUERIES).items():
        try:
            connection.prepare(statement).close()
        except pg8000.native.DatabaseError as error:
            refused[name] = error.args[0]["M"]

    connection.close()
    assert refused == {}
