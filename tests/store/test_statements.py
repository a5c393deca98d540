"""The rules of `queries/`, and of who may run a statement."""

import re

from mailsync.store.migrate import read_migrations
from mailsync.store.statements import QUERIES_FOLDER, load_sql_statements
from tests.support.paths import ROOT

PRODUCT = ROOT / "lambdas"
SCHEMA = "".join(each.statements for each in read_migrations())
SOURCES = {path: path.read_text() for path in PRODUCT.rglob("*.py")}


def test_every_statement_is_used_and_every_name_that_is_used_exists() -> None:
    used = {
        name
        for text in SOURCES.values()
        for name in re.findall(
            r"\.(?:run|run_returning_row_count|run_returning_dicts|_pairs)\(\s*\"([a-z_]+)\"", text
        )
    }

    assert used == load_sql_statements().keys()


def test_every_table_is_named_with_its_schema() -> None:
    tables = "|".join(re.findall(r"create table mailsync\.(\w+)", SCHEMA))
    bare = re.compile(rf"\b(?:FROM|JOIN|INTO|UPDATE)\s+({tables})\b")

    assert {
        name: bare.findall(text)
        for name, text in load_sql_statements().items()
        if bare.search(text)
    } == {}


def test_only_the_connection_and_the_migrations_talk_to_the_driver() -> None:
    knows_driver = {path.name for path, text in SOURCES.items() if "import pg8000" in text}

    assert knows_driver == {
        *("connection.py", "large_parameters.py", "migrate.py", "parameters.py")
    }


def test_no_two_statements_have_one_name() -> None:
    """The later one would silently take the place of the other."""
    headings = [
        name
        for file in QUERIES_FOLDER.glob("*.sql")
        for name in re.findall(r"^-- (\w+) --$", file.read_text(), re.MULTILINE)
    ]

    assert sorted(headings) == sorted(set(headings))
