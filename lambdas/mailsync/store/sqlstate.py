"""What an error of Postgres, or of a pooler in front of it, means for Mailsync.

| SQLSTATE | who sends it, and when | becomes |
| --- | --- | --- |
| 25006 | a hot standby, a demoted primary, `default_transaction_read_only` of role, database or server (Supabase sets it when the disk is full) | StoreUnavailable |
| 53300 | Postgres: too many connections, of server, role or database; PgBouncer 1.24 and newer | StoreUnavailable |
| 53... | disk or memory full, a limit of the configuration | StoreUnavailable |
| 57P01, 57P02, 57P03, 57P05 | shutdown, crash, start, idle session ended | StoreUnavailable |
| 57014 | a statement took too long | StoreUnavailable |
| 25P0. | an idle or long transaction was ended, or a statement follows a failed one | StoreUnavailable |
| 40..., 55P03 | deadlock, serialization, conflict with recovery; a lock was not granted | StoreUnavailable |
| 58... | input and output errors of the server, files that are missing | StoreUnavailable |
| 08... | connection errors. PgBouncer says 08P01 for nearly everything: no more connections allowed (max_client_conn), query_wait_timeout, server login failed. RDS Proxy says 08000 when it times out waiting for a connection. Supavisor says 08006 when a login takes too long | StoreUnavailable |
| XX000 of a pooler | Supavisor, for nearly everything: max clients reached, checkout timeout, circuit breaker open, DbHandler exited | StoreUnavailable |
| XX000 of Postgres | an internal error of one statement; XX001 and XX002: data or index corrupted | StoreRejected |
| 26000, 34000, 42P05 | a prepared statement or portal is not there or there already: a pooler gave the session to another client | StoreUnavailable |
| 0A000 about a prepared statement or a cached plan | what was prepared does not fit any more | StoreUnavailable |
| 28..., 3D000 | wrong password, no such user, no such database | SettingMissing |
| 42501 at the login | no right to connect to the database | SettingMissing |
| 22..., 42602, 42704, 0A000 at the login | what `options` of the URL asks for is unknown, or a pooler takes no options | SettingMissing |
| 08P01, XX000 with words about the login | poolers: no such user or database, wrong password, tenant or user not found | SettingMissing |
| 42P01, 42703, 42883, 3F000 | a table, column, function or schema is missing | SchemaOutdated |
| anything else at the login or BEGIN | no statement has been sent that could be wrong | StoreUnavailable |
| anything else | the statement or its values are wrong | StoreRejected |

Sources: PostgreSQL docs, appendix A "Error Codes"; PgBouncer, `disconnect_client` in
src/objects.c and src/client.c; Supavisor, lib/supavisor/errors and client_handler/error.ex; AWS
docs, "Troubleshooting for RDS Proxy". A server's own error names the C function that raised it
(field R); PgBouncer writes `pooler_error` there and Supavisor nothing.
"""  # noqa: E501 - a table has long lines

import re
from collections.abc import Mapping

from mailsync.errors import (
    MailsyncError,
    SchemaOutdated,
    SettingMissing,
    StoreRejected,
    StoreUnavailable,
)

READ_ONLY_SQLSTATE = "25006"
LOGIN_AND_BEGIN_STEP_NAMES = frozenset({"login", "begin"})
"""The names that stand for the two steps before the first statement, login and BEGIN. A pooler logs
in to the server at BEGIN, or later."""

_INTERNAL, _UNSUPPORTED = "XX000", "0A000"
_POOLERS_ROUTINES = frozenset({"", "pooler_error"})
_OUTDATED = re.compile(r"42P01|42703|42883|3F000")
_UNAVAILABLE = re.compile(r"08...|40...|53...|55P03|57...|25P0.|58...|26000|34000|42P05")
_LOGIN = re.compile(r"28...|3D000")
_NO_RIGHT_TO_CONNECT = "42501"
_OPTIONS = re.compile(r"0A000|22...|42602|42704")
# A value out of range or malformed, and one beyond a limit of the server.
_VALUES = re.compile(r"22...|54...")
_LOGIN_WORDS = re.compile(
    r"no such (user|database)|(database|role|user) \S+ does not exist|authentication failed"
    r"|auth failed|login rejected|no credentials for the role|invalid format for user"
    r"|tenant.* not found|no tenant identifier",
    re.IGNORECASE,
)
_STATEMENT_POOLING = re.compile(r"statement pooling mode", re.IGNORECASE)
_FULL_WORDS = re.compile(
    r"no more connections|max[ _]?client|too many (clients|connections)|connection slots"
    r"|client connections exceeded|check ?out|query_wait_timeout|acquire database connection",
    re.IGNORECASE,
)


def make_read_only_database_error() -> StoreUnavailable:
    """Return the error that says that the database is read-only, so that nothing can be stored."""
    return StoreUnavailable(
        f"The database is read-only (SQLSTATE {READ_ONLY_SQLSTATE}), so no mail is stored. Syncs go"
        " on by themselves when it can be written again; look at its disk space and at which server"
        " is the primary."
    )


def error_from_postgres_fields(fields: Mapping[str, str], statement: str) -> MailsyncError:
    """Convert an error of the database server to an error of the product.

    The server's text is dropped, because it may quote mail, a user or a host.

    fields: the fields of the server's ErrorResponse, by letter (PostgreSQL docs, 55.8).
    statement: the name of the statement that failed, or one of
        `LOGIN_AND_BEGIN_STEP_NAMES`.
    """
    state, words = fields.get("C", "none"), fields.get("M", "")
    is_of_pooler = fields.get("R", "") in _POOLERS_ROUTINES
    if state == READ_ONLY_SQLSTATE:
        return make_read_only_database_error()
    if refusal := _refused_login(state, words if is_of_pooler else "", statement):
        return SettingMissing(refusal)
    if state == "53300" or (is_of_pooler and _FULL_WORDS.search(words)):
        return StoreUnavailable(
            f"The database takes no more connections now (SQLSTATE {state}); Mailsync tries again."
            " If this persists, raise the limit of the database or its pooler."
        )
    if _OUTDATED.fullmatch(state):
        return SchemaOutdated(
            f"The database lacks something that '{statement}' needs (SQLSTATE {state});"
            " run the function migrate-database."
        )
    passes = _UNAVAILABLE.fullmatch(state) or (is_of_pooler and state == _INTERNAL)
    if (
        passes
        or statement in LOGIN_AND_BEGIN_STEP_NAMES
        or _is_stale_plan(state, words, fields.get("R", ""))
    ):
        return StoreUnavailable(f"The database could not finish '{statement}' (SQLSTATE {state}).")
    return StoreRejected(
        f"The database rejects '{statement}' (SQLSTATE {state}).",
        blames_values=_VALUES.fullmatch(state) is not None,
    )


def _is_stale_plan(state: str, words: str, routine: str) -> bool:
    about_plan = routine == "RevalidateCachedQuery" or "prepared statement" in words.lower()
    return state == _UNSUPPORTED and about_plan


def _refused_login(state: str, words: str, statement: str) -> str | None:
    """Return a text for a refused login that says what is wrong and what to do. None: the error
    does not concern the login.

    words: the text of a pooler's error. A server writes its text in the language of `lc_messages`.
    """
    if _STATEMENT_POOLING.search(words):
        return (
            f"The pooler is in statement mode (SQLSTATE {state}); set it to transaction mode or"
            " session mode."
        )
    is_refused = _LOGIN.fullmatch(state) or _LOGIN_WORDS.search(words)
    if is_refused or (statement in LOGIN_AND_BEGIN_STEP_NAMES and state == _NO_RIGHT_TO_CONNECT):
        return (
            f"The database rejects the login (SQLSTATE {state}); check user, password and database"
            " name."
        )
    if statement == "login" and _OPTIONS.fullmatch(state):
        return (
            f"The database does not know what 'options' of its URL asks for (SQLSTATE {state});"
            " correct or remove them."
        )
    return None
