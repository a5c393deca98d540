"""Apply migrations to the database in order. A migration is a plain SQL file in the format of
dbmate.

The files and the table of applied migrations are those of dbmate (github.com/amacneil/dbmate), so
dbmate's command line can apply the migrations as well. Mailsync adds a lock against concurrent
runs, and a checksum of each applied file. Migrating needs a direct connection, because a session
lock does not survive a pooler in transaction mode.
"""

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pg8000.native

from mailsync.errors import SchemaOutdated, SettingMissing, StoreRejected, StoreUnavailable
from mailsync.settings import Settings
from mailsync.store.connection import (
    BROKEN_CONNECTION_ERRORS,
    Connection,
    Database,
    connect,
    read_connection_parameters,
    to_mailsync_error,
)
from mailsync.store.database_url import ConnectionParameters
from mailsync.store.functions_login import build_lambda_login_creation_sql
from mailsync.store.session import BEGIN_MIGRATION_TRANSACTION_SQL

MIGRATIONS_FOLDER = Path(__file__).with_name("migrations")
SCHEMA_CONTRACTION_SQL_FILE = Path(__file__).with_name("contract.sql")
_UNFILLED = "SELECT count(*) FROM mailsync.email_accounts WHERE placements_filled_to IS NOT NULL"
_LOCK = 0x6D61696C
_LOCK_PATIENCE_S = 120
_NO_PRIVILEGE = "42501"
_LIST = "The list of migrations"
_UP = re.compile(r"^-- migrate:up[^\n]*\n(.*?)(?=^-- migrate:down|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration file.

    checksum: checksum of the file's text; an applied file must not change.
    """

    version: str
    statements: str
    checksum: str


def read_migrations(directory: Path = MIGRATIONS_FOLDER) -> tuple[Migration, ...]:
    """Return the migrations in the directory, ordered by number."""
    return tuple(_read(path) for path in sorted(directory.glob("*.sql")))


def _read(path: Path) -> Migration:
    text = path.read_text()
    found = _UP.search(text)
    if found is None:
        raise SchemaOutdated(f"Migration {path.name} has no '-- migrate:up' line.")
    return Migration(
        version=path.name.split("_")[0],
        statements=found[1],
        checksum=hashlib.sha256(text.encode()).hexdigest(),
    )


def apply_migrations(
    settings: Settings, wanted: Sequence[Migration] | None = None
) -> tuple[str, ...]:
    """Apply the missing migrations, each in its own transaction; return the versions of the applied
    migrations.

    Afterwards create the database login of the Lambda functions, if the settings name one.

    Raises:
        SchemaOutdated: an applied file was changed, or a file fails; its transaction is rolled
            back.
        SettingMissing: the database rejects the login, or the login lacks a right that a file
            needs.
        StoreUnavailable: the database does not respond or is read-only, or another runner takes too
            long.
    """
    with _connected(settings) as migrator, _locked(migrator):
        missing = _missing(wanted, _applied(migrator))
        if missing:
            _prepare(migrator)
        for each in missing:
            _apply(migrator, each)
        login = settings.database_login_to_create
        if login:
            migrator.run(build_lambda_login_creation_sql(login), "The login of the functions")
    return tuple(each.version for each in missing)


def apply_schema_contraction(settings: Settings) -> None:
    """Drop the triggers, SQL functions and views that only the Lambda functions of the previous
    release need (`contract.sql`). A second call changes nothing.

    Raises:
        SchemaOutdated: some accounts have messages without placements; nothing was changed.
        SettingMissing, StoreUnavailable: see `apply_migrations`.
    """
    with _connected(settings) as migrator, _locked(migrator):
        unfilled = migrator.run(_UNFILLED, "The accounts")[0][0]
        if unfilled:
            raise SchemaOutdated(
                f"{unfilled} accounts have messages without placements, so nothing was dropped; run"
                " the command with --fill first."
            )
        migrator.run(
            f"{BEGIN_MIGRATION_TRANSACTION_SQL};\n{SCHEMA_CONTRACTION_SQL_FILE.read_text()};\nCOMMIT",
            "The contract step",
        )


def plan_migrations(
    settings: Settings, wanted: Sequence[Migration] | None = None
) -> tuple[str, ...]:
    """Return the versions of the migrations that `apply_migrations` would apply. Nothing is
    written.

    Raises the errors of `apply_migrations`.
    """
    with _connected(settings) as migrator:
        return tuple(each.version for each in _missing(wanted, _applied(migrator)))


def require_writable_migrated_database(database: Database) -> None:
    """Check that the database is writable and has the newest migration of this code.

    Raises:
        SchemaOutdated: the newest migration was not applied.
        StoreUnavailable: the database does not respond, or is read-only.
    """
    newest = read_migrations()[-1].version
    with database.transaction() as tx:
        found = tx.run("schema_version")[0][0]
        tx.require_writable_database()
    if found is None or found < newest:
        raise SchemaOutdated(
            f"The database is at migration {found or 'none'}, this code needs {newest};"
            " run the function migrate-database."
        )


class _Migrator:
    """A session with the login of migrations.

    Unlike other errors of the store, its errors quote the server's message, because a migration
    contains no mail. The names in the URL are removed from the message.
    """

    def __init__(self, connection: Connection, target: ConnectionParameters) -> None:
        self._connection = connection
        self._target = target

    def run(self, sql: str, what: str) -> list[list[Any]]:
        try:
            return self._connection.run(sql) or []
        except pg8000.native.DatabaseError as error:
            known = to_mailsync_error(error, what)
            if not isinstance(known, StoreRejected | SchemaOutdated):
                raise known from None
            fields = error.args[0]
            reason = self._without_names(fields.get("M", "no reason given"))
            if fields.get("C") == _NO_PRIVILEGE:
                raise SettingMissing(
                    f"{what} needs a login that may do more: {reason}; migrate as the owner of the"
                    " schema mailsync, at first as one that may create it."
                ) from None
            raise SchemaOutdated(f"{what} fails: {reason}.") from None

    def _without_names(self, reason: str) -> str:
        for name, instead in (
            (self._target.user, "this login"),
            (self._target.database, "this database"),
        ):
            reason = re.sub(rf'(?<!\w)("?){re.escape(name)}\1(?!\w)', instead, reason)
        return reason


@contextmanager
def _connected(settings: Settings) -> Iterator[_Migrator]:
    connection = connect(settings, as_owner=True)
    try:
        yield _Migrator(connection, read_connection_parameters(settings, as_owner=True))
    except BROKEN_CONNECTION_ERRORS as error:
        raise StoreUnavailable(
            f"The connection to the database was lost ({type(error).__name__})."
        ) from None
    finally:
        with suppress(Exception):
            connection.close()


@contextmanager
def _locked(migrator: _Migrator) -> Iterator[None]:
    """Hold the lock of migrations during the `with` block. The function polls, because the snapshot
    of a blocked waiter would deadlock with CREATE INDEX CONCURRENTLY. It unlocks explicitly,
    because a proxy may keep the server's session."""
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while not migrator.run(f"SELECT pg_try_advisory_lock({_LOCK})", "The lock")[0][0]:
        if time.monotonic() > deadline:
            raise StoreUnavailable("Another migration has been running for two minutes.")
        time.sleep(0.2)
    try:
        yield
    finally:
        with suppress(Exception):
            migrator.run("ROLLBACK", "The lock")
            migrator.run(f"SELECT pg_advisory_unlock({_LOCK})", "The lock")


def _applied(migrator: _Migrator) -> dict[str, str | None]:
    """Return the checksum of each applied version; None for a version that dbmate has applied."""
    exists = "SELECT to_regclass('mailsync.schema_migrations') IS NOT NULL"
    if migrator.run(exists, _LIST) == [[False]]:
        return {}
    versions = "SELECT version, to_jsonb(m) ->> 'checksum' FROM mailsync.schema_migrations m"
    return dict(migrator.run(versions, _LIST))


def _prepare(migrator: _Migrator) -> None:
    # CREATE SCHEMA IF NOT EXISTS needs the right to create even if the schema exists.
    if migrator.run("SELECT to_regnamespace('mailsync')", _LIST) == [[None]]:
        migrator.run("CREATE SCHEMA mailsync", "The schema mailsync")
    migrator.run(
        "CREATE TABLE IF NOT EXISTS mailsync.schema_migrations"
        " (version varchar(128) PRIMARY KEY);"
        " ALTER TABLE mailsync.schema_migrations ADD COLUMN IF NOT EXISTS checksum text",
        _LIST,
    )


def _missing(
    wanted: Sequence[Migration] | None, applied: dict[str, str | None]
) -> tuple[Migration, ...]:
    every = read_migrations() if wanted is None else wanted
    return tuple(each for each in every if _is_missing(each, applied))


def _is_missing(migration: Migration, applied: dict[str, str | None]) -> bool:
    if migration.version not in applied:
        return True
    if applied[migration.version] not in (None, migration.checksum):
        raise SchemaOutdated(
            f"Migration {migration.version} was changed after it had been applied;"
            " add a new one instead."
        )
    return False


def _apply(migrator: _Migrator, migration: Migration) -> None:
    # Without parameters the driver uses the simple protocol: many statements, none re-parsed,
    # and together with BEGIN and COMMIT in one message they are one transaction.
    record = (
        "INSERT INTO mailsync.schema_migrations (version, checksum)"  # noqa: S608
        f" VALUES ('{migration.version}', '{migration.checksum}')"
    )
    sql = f"{BEGIN_MIGRATION_TRANSACTION_SQL};\n{migration.statements};\n{record};\nCOMMIT"
    migrator.run(sql, f"Migration {migration.version}")
