"""Connect to Postgres: one connection per process, and every statement in an explicit transaction.

pg8000 sends Parse, Bind and Execute of a statement each with its own Sync. Behind a pooler in
transaction mode, the server connection may change at each Sync outside a transaction, and the
response then belongs to another client (pgbouncer #1288). `Database.transaction` is therefore the
only way to run a statement, and nothing depends on a session: no SET, no session locks, no prepared
statements. Each transaction sets what it needs (`session.py`).

A session is reused only after a transaction that ended without error on a writable database; else
the next transaction opens a new session, so that functions recover as soon as the database does.
"""

import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import pg8000.native
from scramp import ScramException

from mailsync.errors import MailsyncError, SettingMissing, StoreRejected, StoreUnavailable
from mailsync.settings import Settings, load_settings
from mailsync.store.database_url import ConnectionParameters, parse_database_url
from mailsync.store.iam_token import iam_token
from mailsync.store.large_parameters import LargeParameterConnection
from mailsync.store.parameters import JsonBytes, replace_named_parameters
from mailsync.store.session import BEGIN_TRANSACTION_SQL, TERMINATE_READ_ONLY_SESSION_SQL
from mailsync.store.sqlstate import error_from_postgres_fields, make_read_only_database_error
from mailsync.store.statements import load_sql_statements

SOCKET_READ_TIMEOUT_S = 150
# The errors that a dead or half-closed socket causes; pg8000 does not wrap them.
BROKEN_CONNECTION_ERRORS = (pg8000.native.InterfaceError, OSError, AttributeError)
_NO_BINDING = "No channel binding"
# By the first words of the driver's error text; the driver has no classes for these errors.
_OF_DRIVER: Mapping[str, str] = {
    "Server refuses SSL": "The database offers no TLS, and nothing leaves this machine unencrypted;"
    " switch it on in the server.",
    "Authentication method": "The database asks for a kind of login that Mailsync does not know;"
    " have it ask for a password (scram-sha-256).",
    _NO_BINDING: "The database offers no channel binding, which its URL requires; have it ask for a"
    " password by scram-sha-256 over TLS, or remove channel_binding=require.",
}
_OF_ANOTHER_HOST = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH; their texts quote the host."""


class Connection(LargeParameterConnection):
    """A pg8000 connection that uses UTF-8 and can require channel binding."""

    def __init__(self, target: ConnectionParameters, **how: Any) -> None:
        self._must_bind, self._is_bound = target.requires_channel_binding, False
        self._connect_timeout_s = target.connect_timeout_s
        wanted = {"client_encoding": "UTF8", "options": target.server_command_line_options}
        super().__init__(
            target.user,
            database=target.database,
            host=target.host,
            application_name=target.application_name,
            startup_params={name: value for name, value in wanted.items() if value},
            **how,
        )
        self.register_out_adapter(JsonBytes, lambda value: value)
        self._usock.settimeout(SOCKET_READ_TIMEOUT_S)

    def run(self, sql: str, **parameters: Any) -> Any:
        if not parameters:
            return super().run(sql)
        statement, values_of = replace_named_parameters(sql)
        self._context = self.execute_unnamed(statement, values_of(parameters))
        return self._context.rows

    def begin_transaction(self) -> bool:
        """Begin a transaction and return whether it is read-only.

        A pooler responds only when it has a free session, so the connect timeout applies to BEGIN.
        """
        self._usock.settimeout(self._connect_timeout_s)
        answer = self.run(BEGIN_TRANSACTION_SQL)
        self._usock.settimeout(SOCKET_READ_TIMEOUT_S)
        return bool(answer[-1][-1])

    def close(self) -> None:
        """Close the socket, also if the server no longer responds.

        pg8000 first sends a message to the server. If that fails, pg8000 raises an exception, which
        would replace an earlier login error, and leaves the socket open.
        """
        buffers = self._sock
        with suppress(*BROKEN_CONNECTION_ERRORS):
            super().close()
        if buffers is not None:
            with suppress(OSError):
                buffers.close()

    def handle_messages(self, context: Any) -> None:
        """Read the server's messages up to the end of one response. If the server then disconnects,
        raise the last error that it sent."""
        try:
            super().handle_messages(context)
        except BROKEN_CONNECTION_ERRORS:
            if context.error is not None:
                raise context.error from None
            raise

    def handle_PARAMETER_STATUS(self, data: bytes, context: Any) -> None:  # noqa: N802
        """Ignore changes of the parameter `client_encoding`: every transaction uses UTF-8.

        pg8000 would switch to the new encoding, which Python may not have.
        """

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:  # noqa: N802
        is_sasl = int.from_bytes(data[:4]) == 10  # AuthenticationSASL
        if self._must_bind and not self._is_bound and not is_sasl:
            raise pg8000.native.InterfaceError(_NO_BINDING)  # before anything of the password goes
        super().handle_AUTHENTICATION_REQUEST(data, context)
        if is_sasl:
            self._is_bound = self.auth.mechanism_name.endswith("-PLUS")


def connect(settings: Settings, *, as_owner: bool = False) -> Connection:
    """Open a connection; it is encrypted and verified unless the database is on this machine.

    as_owner: use the login of the schema's owner, as migrations do.

    Raises:
        StoreUnavailable: the server does not respond or accepts no connection at present.
        SettingMissing: the database rejects the login, the server's certificate is not valid, the
            URL is malformed, or no IAM token can be signed.
    """
    target = read_connection_parameters(settings, as_owner=as_owner)
    tls = _tls(target, settings.database_ca_bundle_pem_or_path)
    password = _password(target, settings.database_auth)
    sock: socket.socket | None = None
    try:
        sock = _dial(target)
        return Connection(target, password=password, sock=sock, ssl_context=tls)
    except Exception as error:  # whatever speaks another protocol breaks the driver anywhere
        if sock is not None:
            sock.close()
        raise _not_connected(error) from None


def read_connection_parameters(settings: Settings, *, as_owner: bool) -> ConnectionParameters:
    """Return the database's host, login and options for `connect`, parsed from the settings.

    Raises:
        SettingMissing: the database URL is missing or malformed.
    """
    url = settings.migration_database_url if as_owner else settings.database_url
    return parse_database_url(url, settings.database_url_setting_name(as_owner=as_owner))


def to_mailsync_error(error: pg8000.native.DatabaseError, statement: str) -> MailsyncError:
    """Convert an error of the driver to a MailsyncError; `store.sqlstate` has the rules."""
    fields = error.args[0] if isinstance(error.args[0], dict) else {}
    return error_from_postgres_fields(fields, statement)


def _password(target: ConnectionParameters, auth: str) -> str:
    if auth == "iam":
        return iam_token(target.host, target.port, target.user)
    # The server rejects an empty password if it needs one; None would break inside the driver.
    return target.password or ""


def _not_connected(error: Exception) -> MailsyncError:
    """Return the error of a failed connection, without its text, which may quote the host or the
    user."""
    if isinstance(error, pg8000.native.DatabaseError):
        return to_mailsync_error(error, "login")
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
    if isinstance(error, pg8000.native.InterfaceError):
        for words, sentence in _OF_DRIVER.items():
            if str(error).startswith(words):
                return SettingMissing(sentence)
    if isinstance(error, ScramException):
        return SettingMissing(
            "The database and its URL do not agree on the password (SCRAM); write it anew, in plain"
            " letters and digits."
        )
    return StoreUnavailable(f"The database does not respond ({type(error).__name__}).")


def _dial(target: ConnectionParameters) -> socket.socket:
    """Connect the socket. The time limit holds for the login as well: a full pooler accepts the
    socket and never responds."""
    if target.socket_dir:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(target.connect_timeout_s)
        try:
            sock.connect(f"{target.socket_dir}/.s.PGSQL.{target.port}")
        except OSError:
            sock.close()
            raise
        return sock
    sock = socket.create_connection((target.host, target.port), target.connect_timeout_s)
    # pg8000 writes a statement in several pieces; with Nagle's delay each costs 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def _tls(target: ConnectionParameters, ca_bundle: str | None) -> ssl.SSLContext | bool:
    """Return pg8000's TLS setting; pg8000 by default verifies nothing and accepts plaintext."""
    if not target.is_encrypted:
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


class Transaction:
    """An open database transaction; methods return each row as a list in the order of the columns.

    is_read_only: whether the database accepts no writes at present.
    """

    def __init__(
        self, connection: Connection, known: Mapping[str, str], *, is_read_only: bool
    ) -> None:
        self.statements = 0
        self.is_read_only = is_read_only
        self._connection = connection
        self._known = known

    def run(self, statement: str, **parameters: Any) -> list[list[Any]]:
        """Run the SQL statement that has this name in `queries/`, and return its rows."""
        _require_text(statement, parameters.values())
        self.statements += 1
        try:
            rows = self._connection.run(self._known[statement], **parameters)
        except pg8000.native.DatabaseError as error:
            raise to_mailsync_error(error, statement) from None
        except BaseException:  # such as a value that the driver cannot send: half a message is sent
            self._connection.close()
            raise
        return rows or []

    def run_returning_dicts(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run the statement with this name and return its rows as dictionaries by column name."""
        found = self.run(statement, **parameters)
        names = [column["name"] for column in self._connection.columns or ()]
        return [dict(zip(names, row, strict=True)) for row in found]

    def run_returning_row_count(self, statement: str, **parameters: Any) -> int:
        """Run the SQL statement that has this name, and return the number of rows that it wrote."""
        self.run(statement, **parameters)
        return int(self._connection.row_count)

    def require_writable_database(self) -> None:
        """Raise StoreUnavailable if the database is read-only at present."""
        if self.is_read_only:
            raise make_read_only_database_error()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Set a savepoint for the `with` block. If the database rejects a statement of the block,
        only the writes of the block are rolled back."""
        self._connection.run("SAVEPOINT block")
        try:
            yield
        except StoreRejected:
            self._connection.run("ROLLBACK TO SAVEPOINT block")
            raise
        self._connection.run("RELEASE SAVEPOINT block")


def _require_text(statement: str, values: Iterable[Any]) -> None:
    """Raise StoreRejected for text that is not valid UTF-8, which the driver cannot send."""
    for value in values:
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise StoreRejected(
                    f"A value of {statement} has half a surrogate pair in it, which no database"
                    " holds; nothing was stored.",
                    blames_values=True,
                ) from None


class Database:
    """The database connection of this process. It opens at the first use, and opens again after it
    has failed.

    sent_statement_count: number of statements of the transactions that were committed so far.
    known: SQL statements by name. None: the statements of the folder `queries/`.
    """

    sent_statement_count: int
    """The number of statements of committed transactions, including BEGIN and COMMIT; each is one
    round trip."""

    def __init__(self, settings: Settings, known: Mapping[str, str] | None = None) -> None:
        self.sent_statement_count = 0
        self._settings = settings
        self._known = known or load_sql_statements()
        self._connection: Connection | None = None
        self._is_open = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin a transaction; commit it when the `with` block ends, roll it back if it raises.

        Raises:
            StoreUnavailable: there is no session, the connection was lost, or the database is
                read-only. If the connection was lost during COMMIT, the transaction may have been
                committed, so the caller must be able to repeat it.
            RuntimeError: another transaction of this connection is still open.
        """
        if self._is_open:
            raise RuntimeError("A transaction inside a transaction would commit the outer one.")
        connection, is_read_only = self._begin()
        tx = Transaction(connection, self._known, is_read_only=is_read_only)
        self._is_open = True
        try:
            yield tx
            connection.run("COMMIT")
            self.sent_statement_count += tx.statements + 2
        except pg8000.native.DatabaseError as error:
            self.close()
            raise to_mailsync_error(error, "commit") from None
        except BROKEN_CONNECTION_ERRORS as error:
            self.close()
            raise StoreUnavailable(
                f"The connection to the database was lost ({type(error).__name__})."
            ) from None
        except StoreUnavailable:
            self._roll_back(connection)
            self._throw_away(connection, is_read_only)
            raise
        except BaseException:
            self._roll_back(connection)
            raise
        finally:
            self._is_open = False
            if is_read_only:
                self._throw_away(connection, is_read_only)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _begin(self) -> tuple[Connection, bool]:
        """Return the connection, and whether the transaction that it began is read-only."""
        if self._connection is not None:
            try:
                return self._connection, self._connection.begin_transaction()
            except (pg8000.native.DatabaseError, *BROKEN_CONNECTION_ERRORS):
                # The connection died while the function was frozen; no transaction was open.
                self.close()
        self._connection = connect(self._settings)
        try:
            return self._connection, self._connection.begin_transaction()
        except pg8000.native.DatabaseError as error:
            self.close()
            raise to_mailsync_error(error, "begin") from None
        except BROKEN_CONNECTION_ERRORS as error:
            self.close()
            raise StoreUnavailable(
                f"The database gives a new connection no session ({type(error).__name__})."
            ) from None

    def _roll_back(self, connection: Connection) -> None:
        try:
            connection.run("ROLLBACK")
        except (pg8000.native.DatabaseError, *BROKEN_CONNECTION_ERRORS):
            self.close()

    def _throw_away(self, connection: Connection, is_read_only: bool) -> None:
        """Close the connection; also end the server session if it would stay read-only."""
        if is_read_only and self._connection is connection:
            with suppress(pg8000.native.DatabaseError, *BROKEN_CONNECTION_ERRORS):
                connection.run(TERMINATE_READ_ONLY_SESSION_SQL)
        self.close()


@cache
def open_database() -> Database:
    """Return the connection to the database that the settings name; the process keeps it open."""
    return Database(load_settings())
