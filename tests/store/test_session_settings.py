"""No setting of a role, a database or a pooler changes what is stored or read."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from localdev.engine.postgres import Postgres
from mailsync.errors import StoreRejected
from mailsync.model import Upsert
from mailsync.settings import Settings
from mailsync.store.connection import Connection, Database, connect
from tests.store.conftest import connect_mirror
from tests.store.pooler import pooled
from tests.support.builders import a_message, a_remote_folder

LOGIN = "login_with_settings"
NASTY = {
    "client_encoding": ("LATIN1", "SQL_ASCII", "EUC_TW", "ISO_8859_5"),
    "DateStyle": ("'SQL, DMY'", "'SQL, MDY'", "German", "'Postgres, DMY'"),
    "IntervalStyle": ("iso_8601", "sql_standard", "postgres_verbose"),
    "TimeZone": ("'Asia/Kathmandu'", "'America/St_Johns'"),
    "bytea_output": ("escape",),
    "extra_float_digits": ("-15",),
    "standard_conforming_strings": ("off",),
    "array_nulls": ("off",),
    "transform_null_equals": ("on",),
    "search_path": ("evil, pg_catalog",),
    "row_security": ("off",),
    "exit_on_error": ("on",),
    "default_transaction_isolation": ("serializable", "'repeatable read'"),
    "default_transaction_deferrable": ("on",),
    "statement_timeout": ("100",),
    "lock_timeout": ("1",),
    "idle_in_transaction_session_timeout": ("100",),
    "transaction_timeout": ("100",),
    "synchronous_commit": ("off",),
}
EVIL = (
    "CREATE SCHEMA evil",
    "GRANT USAGE ON SCHEMA evil TO PUBLIC",
    "CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql RETURN timestamptz '1999-01-01'",
    "CREATE FUNCTION evil.coalesce(int) RETURNS int LANGUAGE sql RETURN 0",
    "CREATE TABLE evil.pg_class (a int)",
)
KNOWN = {
    "values": "SELECT timestamptz '2026-03-04 05:06:07.000008Z', timestamp '2026-03-04 05:06:07.5',"
    " date '2026-03-04', interval '1 year 2 mons 3 days -04:05:06.7', float8 '0.1' + float8 '0.2',"
    " bytea '\\x00ff5c41', array['a', null, 'NULL'], cast('{NULL,b}' AS text[]), 'back\\slash',"
    " 'é漢', cast(cast('2026-03-04' AS date) AS timestamptz), now() > '2020-01-01',"
    " (SELECT count(*) > 100 FROM pg_class), (SELECT count(*) >= 0 FROM mailsync.email_accounts)",
    "sent": "SELECT cast(:moment AS timestamptz), cast(:data AS bytea), cast(:text AS text),"
    " cast(:words AS text[])",
    "state": "SELECT current_setting('transaction_isolation'),"
    " current_setting('synchronous_commit'), NULL::int = NULL",
    "sleep": "SELECT 1 FROM pg_sleep(0.15)",
    "malformed": "SELECT cast('x' AS int)",
}
SENT = {
    "moment": datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC),
    "data": b"\x00\xff\\A'",
    "text": "é漢 back\\slash '",
    "words": ["a,{}", 'b"\\', "NULL"],
}
STORED = (
    "SELECT m.subject, m.received_at, b.html, m.folder_id = f.id, f.display_name"
    " FROM mailsync.emails m JOIN mailsync.email_folders f ON f.id = m.folder_id"
    " JOIN mailsync.email_bodies b ON b.email_id = m.id WHERE m.account_id = '{}'"
)
Alter = Callable[[str], None]
_users = count(1)


@pytest.fixture
def url(postgres: Postgres, database_url: str) -> str:
    """Of a login like that of deployed functions: it owns nothing."""
    postgres.create_login_if_missing(LOGIN, role="mailsync_writer")
    return database_url.replace("//postgres@", f"//{LOGIN}@")


@pytest.fixture
def owner(database_url: str) -> Iterator[Connection]:
    connection = connect(Settings({"DATABASE_URL": database_url}))
    for statement in EVIL:
        connection.run(statement)
    yield connection
    connection.close()


@pytest.fixture
def alter(owner: Connection) -> Alter:
    """Changes what sessions of the login begin with, in this database only."""
    database = owner.run("SELECT current_database()")[0][0]
    return lambda what: owner.run(f"ALTER ROLE {LOGIN} IN DATABASE {database} {what}")


def known_settings(owner: Connection) -> dict[str, tuple[str, ...]]:
    """Those that this version of Postgres has."""
    has = {name for (name,) in owner.run("SELECT lower(name) FROM pg_settings")}
    return {name: values for name, values in NASTY.items() if name.lower() in has}


def observed(url: str) -> dict[str, Any]:
    """What is read of constants, of values that were sent, and of a page that was stored."""
    with (
        closing(Database(Settings({"DATABASE_URL": url}), known=KNOWN)) as database,
        database.transaction() as tx,
    ):
        found = {"state": tx.run("state"), "values": tx.run("values")}
        time.sleep(0.05)  # longer than the role lets a transaction be idle
        tx.run("sleep")
        with pytest.raises(StoreRejected), tx.savepoint():
            tx.run("malformed")
        found["sent"] = tx.run("sent", **SENT)
    with closing(Database(Settings({"DATABASE_URL": url}))) as database:
        return {**found, "stored": stored(database)}


def stored(database: Database) -> dict[str, Any]:
    """What comes back of a message, of its folder's name and of its cursor."""
    folder = a_remote_folder(display_name=SENT["text"])
    mirror = connect_mirror(database, f"user-{next(_users)}", folder)
    message = a_message(subject=SENT["text"], received_at=SENT["moment"])
    return {
        "counts": mirror.apply(mirror.first, Upsert(message), next_cursor="\x00\\A'é"),
        "cursor": mirror.folder(mirror.first).feed.position.sealed_cursor,
        "rows": mirror.rows(STORED.format(mirror.run.account_id)),
    }


def test_no_setting_of_the_login_changes_what_is_stored_or_read(
    url: str, alter: Alter, owner: Connection
) -> None:
    expected, apart = observed(url), {}

    for name, values in known_settings(owner).items():
        for value in values:
            alter(f"SET {name} = {value}")
            try:
                found: Any = observed(url)
            except Exception as failure:
                found = repr(failure)
            if found != expected:
                apart[name, value] = found
            alter(f"RESET {name}")

    assert apart == {}
    assert expected["state"] == [["read committed", "on", None]]
    assert expected["sent"] == [list(SENT.values())]
    [message] = expected["stored"]["rows"]
    assert message == [SENT["text"], SENT["moment"], "<p>m1</p>", True, SENT["text"]]


def test_nor_do_all_of_them_at_once_behind_a_transaction_pooler(
    url: str, alter: Alter, owner: Connection, tmp_path: Path
) -> None:
    expected = observed(url)
    for name, values in known_settings(owner).items():
        alter(f"SET {name} = {values[0]}")

    with pooled(url, tmp_path, pool_size=2) as through:
        assert [observed(through), observed(through)] == [expected, expected]
