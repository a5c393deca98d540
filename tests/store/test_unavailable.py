"""A database that takes no writes or no connections for a while: the same process goes on after."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from localdev.engine.postgres import Postgres
from mailsync.errors import SettingMissing, StoreUnavailable
from mailsync.settings import Settings
from mailsync.store.connection import Database, connect
from mailsync.store.migrate import Migration, apply_migrations, require_writable_migrated_database
from tests.store.pooler import pooled
from tests.store.servers import a_server_that_says
from tests.support.databases import UNSAFE_BUT_QUICK

LOGIN = "login_that_waits"
KNOWN = {
    "write": "INSERT INTO mailsync.data_keys (wrapped) VALUES (:wrapped) RETURNING 1",
    "read": "SELECT count(*) >= 0 FROM mailsync.data_keys",
    "schema_version": "SELECT max(version) FROM mailsync.schema_migrations",
}
Run = Callable[[str], object]


def settings_of(url: str) -> Settings:
    return Settings({"DATABASE_URL": url})


def write(database: Database) -> bool:
    with database.transaction() as tx:
        return tx.run("write", wrapped=b"x") == [[1]]


def read(database: Database) -> bool:
    with database.transaction() as tx:
        return tx.run("read") == [[True]]


def soon(attempt: Callable[[], Any]) -> Any:
    """Attempt it until there is a place: a pooler learns late that a client has gone."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return attempt()
        except StoreUnavailable:
            assert time.monotonic() < deadline


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(settings_of(url), known=KNOWN)
    yield database
    database.close()


@pytest.fixture
def url(postgres: Postgres, database_url: str) -> str:
    postgres.create_login_if_missing(LOGIN, role="mailsync_writer")
    return database_url.replace("//postgres@", f"//{LOGIN}@")


@pytest.fixture
def run(database_url: str) -> Iterator[Run]:
    """Of the owner; `{db}` is the database, and sessions of the login are ended by `end`."""
    owner = connect(settings_of(database_url))
    name = owner.run("SELECT current_database()")[0][0]
    yield lambda sql: owner.run(sql.format(db=name, login=LOGIN))
    owner.close()


END = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{login}'"
FREEZE = "ALTER ROLE {login} IN DATABASE {db} SET default_transaction_read_only = on"
THAW = "ALTER ROLE {login} IN DATABASE {db} RESET default_transaction_read_only"


@pytest.fixture(params=["direct", "through a transaction pooler"])
def reached(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Iterator[str]:
    with ExitStack() as stack:
        if request.param != "direct":
            url = stack.enter_context(pooled(url, tmp_path, pool_size=2))
        yield url


def test_while_a_database_is_read_only_it_is_read_and_then_written_again(
    reached: str, run: Run
) -> None:
    """Sessions keep the mode in which they began, also those that a pooler keeps for others."""
    with opened(reached) as database, opened(reached) as reader:
        assert write(database)
        require_writable_migrated_database(database)
        run(FREEZE)
        run(END)

        assert read(reader)
        for attempt in (write, require_writable_migrated_database):
            with pytest.raises(StoreUnavailable, match=r"read-only \(SQLSTATE 25006\)"):
                attempt(database)

        run(THAW)
        assert write(database)
        assert write(reader)
        require_writable_migrated_database(database)


def test_a_value_that_the_driver_cannot_send_fails_one_statement_and_not_the_next(
    reached: str,
) -> None:
    """The first hour of the year 1 in Berlin has no time in UTC, in which the driver sends it."""
    too_early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    with opened(reached) as database:
        with pytest.raises(OverflowError), database.transaction() as tx:
            tx.run("write", wrapped=too_early)

        assert write(database)
        assert read(database)


def test_a_primary_that_was_demoted_is_waited_for(tmp_path: Path) -> None:
    with (
        Postgres(tmp_path, settings=UNSAFE_BUT_QUICK) as server,
        opened(server.superuser_socket_url) as database,
    ):
        apply_migrations(settings_of(server.superuser_socket_url))
        assert write(database)
        (server.cluster_folder / "standby.signal").touch()
        server.start_or_restart()

        assert read(database)
        for attempt in (write, require_writable_migrated_database):
            with pytest.raises(StoreUnavailable, match=r"read-only \(SQLSTATE 25006\)"):
                attempt(database)
        newer = Migration("9000", "CREATE TABLE mailsync.newer (a int)", "1")
        with pytest.raises(StoreUnavailable, match="read-only"):
            apply_migrations(settings_of(server.superuser_socket_url), [newer])

        owner = connect(settings_of(server.superuser_socket_url))
        assert owner.run("SELECT pg_promote()") == [[True]]
        owner.close()
        assert write(database)


FULL = "takes no more connections"


def test_a_server_without_a_place_is_waited_for(url: str, run: Run) -> None:
    with opened(url) as database:
        assert write(database)
        run("ALTER DATABASE {db} CONNECTION LIMIT 0")
        run(END)
        with pytest.raises(StoreUnavailable, match=FULL):
            write(database)

        run("ALTER DATABASE {db} CONNECTION LIMIT -1")
        assert write(database)


def test_a_pooler_without_a_place_is_waited_for(url: str, tmp_path: Path) -> None:
    limits = ("max_client_conn = 1",)
    with pooled(url, tmp_path, pool_size=1, settings=limits) as through:
        other = soon(lambda: connect(settings_of(through)))
        with opened(through) as database:
            with pytest.raises(StoreUnavailable, match=FULL):
                write(database)

            other.close()
            assert soon(lambda: write(database))


@pytest.mark.parametrize(
    ("settings", "query", "reason"),
    [(("query_wait_timeout = 1",), "", FULL), ((), "?connect_timeout=1", "no session")],
    ids=["the pooler gives up", "we do"],
)
def test_a_pooler_whose_sessions_are_all_taken_is_not_waited_for_long(
    url: str, tmp_path: Path, settings: tuple[str, ...], query: str, reason: str
) -> None:
    """The API has 29 seconds to answer."""
    with (
        pooled(url, tmp_path, pool_size=1, settings=settings) as through,
        opened(through) as other,
        opened(f"{through}{query}") as database,
    ):
        began = time.monotonic()
        with other.transaction(), pytest.raises(StoreUnavailable, match=reason):
            write(database)

        assert time.monotonic() - began < 10
        assert write(database)


CLEARTEXT, GSS = (b"R" + (8).to_bytes(4) + method.to_bytes(4) for method in (3, 7))


@pytest.mark.parametrize(
    ("answer", "query", "error", "reason"),
    [
        (b"", "", StoreUnavailable, "does not respond"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "", StoreUnavailable, "does not respond"),
        (GSS, "", SettingMissing, "kind of login"),
        (CLEARTEXT, "&channel_binding=require", SettingMissing, "no channel binding"),
    ],
    ids=["silent", "HTTP", "GSS", "cleartext"],
)
def test_a_login_that_fails_is_named_without_a_word_of_the_url(
    answer: bytes, query: str, error: type[Exception], reason: str
) -> None:
    began = time.monotonic()
    login = "postgresql://me:hunter2@127.0.0.1"
    with (
        a_server_that_says(answer) as port,
        opened(f"{login}:{port}/hunter2?connect_timeout=1{query}") as database,
        pytest.raises(error, match=reason) as failed,
    ):
        write(database)

    assert time.monotonic() - began < 10
    assert "hunter2" not in str(failed.value)
    assert "127.0.0.1" not in str(failed.value)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 63 + ".invalid", "[fe80::1%25x]"])
def test_a_host_that_is_not_there_is_not_repeated(host: str) -> None:
    with pytest.raises(StoreUnavailable, match="does not respond") as failed:
        connect(settings_of(f"postgresql://me:hunter2@{host}/mail"))

    assert host.strip("[]") not in str(failed.value)
