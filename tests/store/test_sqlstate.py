"""What each error of Postgres and of the poolers in front of it becomes."""

import pytest

from mailsync.errors import SchemaOutdated, SettingMissing, StoreRejected, StoreUnavailable
from mailsync.store.sqlstate import error_from_postgres_fields

SECRET = "hunter2"
NOT_NOW = [
    # Postgres, in any step
    ("25006", "cannot execute INSERT in a read-only transaction", "PreventCommandIfReadOnly"),
    ("53100", "could not extend file: No space left on device", "mdextend"),
    ("53300", "sorry, too many clients already", "InitProcess"),
    ("53300", 'too many connections for role "hunter2"', "InitializeSessionUserId"),
    ("57P01", "terminating connection due to administrator command", "ProcessInterrupts"),
    ("57P02", "terminating connection because of crash of another server process", "quickdie"),
    ("57P03", "the database system is starting up", "ProcessStartupPacket"),
    ("57014", "canceling statement due to statement timeout", "ProcessInterrupts"),
    ("25P03", "terminating connection due to idle-in-transaction timeout", "ProcessInterrupts"),
    ("25P04", "terminating connection due to transaction timeout", "ProcessInterrupts"),
    ("40001", "canceling statement due to conflict with recovery", "ProcessRecoveryConflict"),
    ("40P01", "deadlock detected", "DeadLockReport"),
    ("55P03", "canceling statement due to lock timeout", "ProcessInterrupts"),
    ("58030", "could not read file: Input/output error", "mdread"),
    ("08006", "connection to client lost", "ProcessInterrupts"),
    # PgBouncer
    ("08P01", "no more connections allowed (max_client_conn)", "pooler_error"),
    ("08P01", "query_wait_timeout", "pooler_error"),
    ("08P01", "server conn crashed?", "pooler_error"),
    ("08P01", "pgbouncer cannot connect to server", "pooler_error"),
    ("53300", "client connections exceeded (max_db_client_connections)", "pooler_error"),
    ("57P01", "server shutting down", "pooler_error"),
    ("26000", "unnamed prepared statement does not exist", "exec_bind_message"),
    ("42P05", 'prepared statement "" already exists', "StorePreparedStatement"),
    ("34000", 'portal "" does not exist', "exec_execute_message"),
    ("40003", "the outcome of the statement is not known", ""),
    # Supavisor
    ("XX000", "Max client connections reached", ""),
    ("XX000", "(EMAXCONNSESSION) max clients reached in session mode", ""),
    ("XX000", "(ECHECKOUTTIMEOUT) Pool checkout timeout. Request was dropped after 60000ms", ""),
    ("XX000", "Circuit breaker open: Too many authentication errors", ""),
    ("XX000", "DbHandler exited. Check logs for more information.", ""),
    ("26000", 'prepared statement "s" does not exist', ""),
    ("08006", "connection failure during authentication", ""),
    # RDS Proxy, Neon
    ("08000", "Timed-out waiting to acquire database connection.", ""),
    ("XX000", "Your project has exceeded the compute time quota", ""),
]
NOT_WITH_THIS_LOGIN = [
    ("28P01", 'password authentication failed for user "hunter2"', "auth_failed"),
    ("28000", 'role "hunter2" is not permitted to log in', "InitializeSessionUserId"),
    ("3D000", 'database "hunter2" does not exist', "InitPostgres"),
    ("42501", 'permission denied for database "hunter2"', "CheckMyDatabase"),
    ("08P01", "no such user: hunter2", "pooler_error"),
    ("08P01", "no such database: hunter2", "pooler_error"),
    ("08P01", "SASL authentication failed", "pooler_error"),
    ("08P01", 'database "hunter2" does not exist', "pooler_error"),
    ("08P01", "transaction blocks not allowed in statement pooling mode", "pooler_error"),
    ("XX000", "Tenant or user not found", ""),
    ("XX000", "(ENOTFOUND) tenant/user hunter2.hunter2 not found", ""),
    ("28000", "The IAM authentication failed for the role hunter2.", ""),
    ("08000", "This RDS proxy has no credentials for the role hunter2.", ""),
]
AT_FIRST_ONLY = [
    ("55000", 'database "hunter2" is not currently accepting connections', "CheckMyDatabase"),
    ("XX000", "could not open relation mapping file", "load_relmap_file"),
    ("none", "", ""),
]
OF_ANOTHER_SESSION = [
    ("0A000", "cached plan must not change result type", "RevalidateCachedQuery"),
    ("0A000", "prepared statements are not supported here", ""),
]


def error(state: str, words: str, routine: str, statement: str) -> Exception:
    return error_from_postgres_fields(
        {"C": state, "M": words, "R": routine, "D": SECRET}, statement
    )


@pytest.mark.parametrize(
    ("kind", "statements", "errors"),
    [
        (StoreUnavailable, ("login", "begin", "upsert_emails", "commit"), NOT_NOW),
        (SettingMissing, ("login", "begin"), NOT_WITH_THIS_LOGIN),
        (StoreUnavailable, ("login", "begin"), AT_FIRST_ONLY),
        (StoreUnavailable, ("upsert_emails",), OF_ANOTHER_SESSION),
    ],
    ids=["not now", "not with this login", "nothing can be wrong with no statement", "prepared"],
)
def test_an_outage_is_waited_for_and_a_wrong_login_is_named_without_a_word_of_it(
    kind: type[Exception], statements: tuple[str, ...], errors: list[tuple[str, str, str]]
) -> None:
    for state, words, routine in errors:
        for statement in statements:
            found = error(state, words, routine, statement)

            assert type(found) is kind, (state, words, statement)
            assert state in str(found)
            assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("42704", 'unrecognized configuration parameter "x"'),
        ("0A000", "RDS Proxy currently doesn't support command-line options."),
    ],
)
def test_what_the_url_asks_for_in_its_options_is_a_setting(state: str, words: str) -> None:
    found = error(state, words, "", "login")

    assert type(found) is SettingMissing
    assert "'options'" in str(found)


@pytest.mark.parametrize(
    ("state", "routine", "blames_values"),
    [
        ("22P05", "report_untranslatable_char", True),
        ("54000", "tuplesort", True),
        ("23505", "_bt_check_unique", False),
        ("42501", "aclcheck_error", False),
        ("XX000", "elog_finish", False),
        ("XX001", "mdread", False),
        ("0A000", "transformExpr", False),
    ],
)
def test_what_a_server_refuses_for_good_is_not_tried_again(
    state: str, routine: str, blames_values: bool
) -> None:
    """Its words may quote mail, and what a pooler would mean by them is nothing to it."""
    found = error(state, "no such user: max clients in this mail", routine, "upsert_emails")

    assert isinstance(found, StoreRejected)
    assert found.blames_values is blames_values
    assert "mail" not in str(found).replace("upsert_emails", "")


@pytest.mark.parametrize("state", ["42P01", "42703", "42883", "3F000"])
def test_what_a_migration_brings_is_named_as_such(state: str) -> None:
    assert type(error(state, "", "parserOpenTable", "upsert_emails")) is SchemaOutdated
