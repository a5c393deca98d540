"""One connection per process, and no statement outside an explicit transaction.

pg8000 sends Parse, Bind and Execute of a statement each with its own Sync. Behind a pooler in
transaction mode the server connection may change at each Sync when no transaction is open, and
the answer is then another client's (pgbouncer #1288). So `Database.transaction` is the only way
to run anything, and nothing here depends on a session: no SET, no session locks, no prepared
statements.
"""

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import pg8000.native

from mailsync.errors import SchemaOutdated, SettingMissing, StoreRejected, StoreUnavailable
from mailsync.settings import Settings, load_settings
from mailsync.store.database_url import Target, read_database_url
from mailsync.store.iam_token import iam_token
from mailsync.store.queries import statements

READ_TIMEOUT_S = 150
# A frozen function must not hold row locks for ever; the server ends its transaction.
_BEGIN = (
    "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '60s';"
    " SET LOCAL statement_timeout = '120s'; SET LOCAL lock_timeout = '30s'"
)
_OUTDATED = re.compile(r"42P01|42703|42883|3F000")
_UNAVAILABLE = re.compile(r"08...|40...|53...|55P03|57...|25P0.|58...")
_REFUSED = re.compile(r"28...|3D000")
# A value out of range or malformed, and one beyond a limit of the server.
_VALUES = re.compile(r"22...|54...")
# What a dead or half-closed socket shows through pg8000, which does not wrap it.
BROKEN = (pg8000.native.InterfaceError, OSError, AttributeError)
_NO_TLS = "Server refuses SSL"  # pg8000's own words; there is no class for it

_OF_ANOTHER_HOST = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH; its text quotes the host."""


class JsonBytes(bytes):
    """JSON that is sent as it is: pg8000 only calls `encode` on a parameter."""

    def encode(self, _encoding: str) -> bytes:
        return self


def connect(settings: Settings, *, as_owner: bool = False) -> pg8000.native.Connection:
    """A new connection; encrypted and verified unless it stays on this machine.

    as_owner: with the login of migrations.

    Raises:
        StoreUnavailable: nobody answers.
        SettingMissing: the database refuses the login or cannot prove who it is, the URL is
            malformed, or no token can be signed.
    """
    target = database_target(settings, as_owner=as_owner)
    tls = _tls(target, settings.database_ca_bundle)
    password = _password(target, settings.database_auth)
    sock: socket.socket | None = None
    try:
        sock = _dial(target)
        connection = pg8000.native.Connection(
            target.user,
            password=password,
            database=target.database,
            host=target.host,
            sock=sock,
            ssl_context=tls,
            application_name=target.application_name,
            startup_params={"options": target.options} if target.options else {},
        )
    except (pg8000.native.DatabaseError, *BROKEN) as error:
        if sock is not None:
            sock.close()
        raise _not_connected(error) from None
    connection.register_out_adapter(JsonBytes, lambda value: value)
    return connection


def database_target(settings: Settings, *, as_owner: bool) -> Target:
    """Return where `connect` goes. Raises SettingMissing when the URL is malformed."""
    url = settings.migration_database_url if as_owner else settings.database_url
    return read_database_url(url, settings.database_setting(as_owner=as_owner))


def _password(target: Target, auth: str) -> str:
    if auth == "iam":
        return iam_token(target.host, target.port, target.user)
    # Empty: refused in words where one is needed; None would break inside the driver.
    return target.password or ""


def _not_connected(error: Exception) -> Exception:
    if isinstance(error, pg8000.native.DatabaseError):
        return _named(error, "login")
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OF_ANOTHER_HOST:
            return SettingMissing(
                "The certificate of the database is for another host; write one that it names into"
                " the database's URL."
            )
        return SettingMissing(
            f"The certificate of the database is not trusted ({error.verify_message});"
            " DATABASE_CA_BUNDLE must be the PEM of its authority, or name its file."
        )
    if str(error) == _NO_TLS:
        return SettingMissing(
            "The database offers no TLS, and nothing leaves this machine unencrypted;"
            " switch it on in the server."
        )
    return StoreUnavailable(f"The database does not answer ({type(error).__name__}).")


def _dial(target: Target) -> socket.socket:
    if target.socket_dir:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(READ_TIMEOUT_S)
        try:
            sock.connect(f"{target.socket_dir}/.s.PGSQL.{target.port}")
        except OSError:
            sock.close()
            raise
        return sock
    sock = socket.create_connection((target.host, target.port), target.connect_timeout_s)
    sock.settimeout(READ_TIMEOUT_S)
    # pg8000 writes a statement in several pieces; with Nagle's delay each costs 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def _tls(target: Target, ca_bundle: str | None) -> ssl.SSLContext | bool:
    """pg8000 verifies nothing by default and falls back to plaintext, so it is always told."""
    if not target.encrypted:
        return False
    is_text = ca_bundle is not None and ca_bundle.lstrip().startswith("-----BEGIN")
    try:
        if is_text:
            return ssl.create_default_context(cadata=ca_bundle)
        return ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ValueError):
        raise SettingMissing(
            "DATABASE_CA_BUNDLE must be the PEM of a certificate authority, or name its file."
        ) from None


def _named(error: pg8000.native.DatabaseError, statement: str) -> Exception:
    """The product's name for a server error; its text is dropped, for it may quote mail."""
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    state = str(details.get("C", "none"))
    if _OUTDATED.fullmatch(state):
        return SchemaOutdated(
            f"The database lacks something that '{statement}' needs (SQLSTATE {state});"
            " run the function migrate-database."
        )
    if _REFUSED.fullmatch(state):
        return SettingMissing(
            f"The database refuses the login (SQLSTATE {state}); check user, password and database"
            " name."
        )
    if _UNAVAILABLE.fullmatch(state):
        return StoreUnavailable(f"The database gave up on '{statement}' (SQLSTATE {state}).")
    return StoreRejected(
        f"The database refuses '{statement}' (SQLSTATE {state}).",
        blames_values=_VALUES.fullmatch(state) is not None,
    )


class Transaction:
    """An open transaction; rows come back as lists in the order of the columns."""

    def __init__(self, connection: pg8000.native.Connection, known: Mapping[str, str]) -> None:
        self.statements = 0
        self._connection = connection
        self._known = known

    def run(self, statement: str, **parameters: Any) -> list[list[Any]]:
        """Runs a statement of `queries.sql` by its name."""
        self.statements += 1
        try:
            rows = self._connection.run(self._known[statement], **parameters)
        except pg8000.native.DatabaseError as error:
            raise _named(error, statement) from None
        return rows or []

    def changed(self, statement: str, **parameters: Any) -> int:
        """The same, for the number of rows that it wrote."""
        self.run(statement, **parameters)
        return int(self._connection.row_count)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """When the database refuses a statement of the block, only the block is undone."""
        self._connection.run("SAVEPOINT block")
        try:
            yield
        except StoreRejected:
            self._connection.run("ROLLBACK TO SAVEPOINT block")
            raise
        self._connection.run("RELEASE SAVEPOINT block")


class Database:
    """The process's connection; opened when first needed, opened anew when it broke.

    known: the statements that it runs, by name; None: those of `queries.sql`.
    """

    statements: int
    """Sent so far, BEGIN and COMMIT included: as many round trips."""

    def __init__(self, settings: Settings, known: Mapping[str, str] | None = None) -> None:
        self.statements = 0
        self._settings = settings
        self._known = known or statements()
        self._connection: pg8000.native.Connection | None = None
        self._is_open = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commits when the block ends, rolls back when it raises.

        Raises:
            StoreUnavailable: the connection was lost. When that happened in the commit itself
                the transaction may have taken place: whoever asks again must be able to tell.
            RuntimeError: the block of another transaction has not ended.
        """
        if self._is_open:
            raise RuntimeError("A transaction inside a transaction would commit the outer one.")
        connection = self._begin()
        self._is_open = True
        try:
            tx = Transaction(connection, self._known)
            yield tx
            connection.run("COMMIT")
            self.statements += tx.statements + 2
        except pg8000.native.DatabaseError as error:
            self._discard()
            raise _named(error, "commit") from None
        except BROKEN as error:
            self._discard()
            raise StoreUnavailable(
                f"The connection to the database was lost ({type(error).__name__})."
            ) from None
        except BaseException:
            self._roll_back(connection)
            raise
        finally:
            self._is_open = False

    def close(self) -> None:
        self._discard()

    def _begin(self) -> pg8000.native.Connection:
        if self._connection is not None:
            try:
                self._connection.run(_BEGIN)
                return self._connection
            except (pg8000.native.DatabaseError, *BROKEN):
                # It died while the function was frozen; nothing was lost with it.
                self._discard()
        self._connection = connect(self._settings)
        try:
            self._connection.run(_BEGIN)
        except (pg8000.native.DatabaseError, *BROKEN):
            self._discard()
            raise StoreUnavailable("The database hung up on a new connection.") from None
        return self._connection

    def _roll_back(self, connection: pg8000.native.Connection) -> None:
        try:
            connection.run("ROLLBACK")
        except (pg8000.native.DatabaseError, *BROKEN):
            self._discard()

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()


@cache
def open_database() -> Database:
    """The database of this process, by its own settings."""
    return Database(load_settings())
