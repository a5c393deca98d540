"""The SQL that begins every transaction. It overrides settings of roles, databases and poolers.

Postgres takes defaults from `ALTER ROLE ... SET`, `ALTER DATABASE ... SET` and postgresql.conf, and
a pooled session keeps what an earlier client has set. The driver requests text formats, so some
settings change what is read: with `DateStyle = 'SQL, DMY'` day and month are swapped without an
error. So the message that begins a transaction sets, for this transaction only, every setting that
changes a value, the meaning of a statement, or whether an error ends the session. This works
through a pooler in transaction mode and costs no round trip (measured: 80 us of a transaction).

Not set: `role` (it decides what the login may do), `session_replication_role` (it decides which
triggers run, and only a superuser can set it for a login), planner costs, memory, and what the
server logs. Read-only mode is never overridden: the person who set it wants nothing to be written.
"""

from collections.abc import Mapping

_VALUES: Mapping[str, str] = {
    # Encoding: the driver sends and reads UTF-8.
    "client_encoding": "'UTF8'",
    # Text formats: the driver reads these.
    "DateStyle": "'ISO, MDY'",
    "IntervalStyle": "'postgres'",
    "TimeZone": "'UTC'",
    "bytea_output": "'hex'",
    "extra_float_digits": "1",
    # Meaning of statements and arrays.
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    # Names and visible rows: no object of another schema is taken for an object of the catalog,
    # and a policy hides rows instead of failing the statement. Our statements name every schema;
    # `public` is there for triggers that an operator may have put on our tables.
    "search_path": "pg_catalog, public, pg_temp",
    "row_security": "on",
    # Triggers of the previous release write no placements, because our statements do.
    "mailsync.writes_placements": "on",
    # Errors: an error inside a savepoint must not end the session.
    "exit_on_error": "off",
}
_TIMEOUTS: Mapping[str, str] = {
    # First, because the role's own time-out may end one of the statements that follow.
    "statement_timeout": "'120s'",
    "lock_timeout": "'30s'",
    # A frozen function must not keep row locks; the server ends its transaction.
    "idle_in_transaction_session_timeout": "'60s'",
}
_OF_MIGRATIONS: Mapping[str, str] = {
    # No limit, because an index of a large table can take hours.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
# Switch off transaction_timeout if this release of Postgres has it, switch on synchronous_commit if
# it is off, and return one row. With `off`, a crash of the server can lose reported commits.
_ANSWER = (
    "SELECT CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL"
    " THEN set_config('transaction_timeout', '0', true) END,"
    " CASE WHEN current_setting('synchronous_commit') = 'off'"
    " THEN set_config('synchronous_commit', 'on', true) END,"
    " current_setting('transaction_read_only') = 'on'"
)


def _begin(timeouts: Mapping[str, str]) -> str:
    settings = [f"SET LOCAL {name} = {value}" for name, value in {**timeouts, **_VALUES}.items()]
    return "; ".join(["BEGIN ISOLATION LEVEL READ COMMITTED", *settings, _ANSWER])


BEGIN_TRANSACTION_SQL = _begin(_TIMEOUTS)
"""The SQL that begins every transaction. Its result is one row, whose last column says whether the
transaction is read-only."""
BEGIN_MIGRATION_TRANSACTION_SQL = _begin(_OF_MIGRATIONS)

TERMINATE_READ_ONLY_SESSION_SQL = (
    "ROLLBACK; SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())"
    " FROM pg_catalog.pg_settings"
    " WHERE name = 'default_transaction_read_only' AND setting = 'on'"
    " AND source IN ('database', 'user', 'database user')"
)
"""SQL that ends a server session whose role or database was read-only when the session logged in.

Such a session stays read-only for its whole life, and a pooler keeps it after its client has gone
(PgBouncer: for an hour), so later clients would get the read-only session too.
"""
