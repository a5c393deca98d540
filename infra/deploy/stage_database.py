"""Check and migrate the database that the operator provides, from the operator's machine."""

import socket
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

import pg8000.native

from infra.deploy.failure import DeploymentFailed
from mailsync.errors import MailsyncError, SchemaOutdated, SettingMissing
from mailsync.settings import LOOPBACK_HOSTS, DatabaseLogin, Settings
from mailsync.store.connection import Connection, Database, connect, read_connection_parameters
from mailsync.store.functions_login import build_lambda_login_creation_sql
from mailsync.store.migrate import (
    apply_migrations,
    plan_migrations,
    require_writable_migrated_database,
)

MIN_POSTGRES_VERSION_NUMBER = 150000
_RIGHTS = """
SELECT current_setting('server_version_num')::int,
       has_database_privilege(current_database(), 'CREATE'),
       (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user),
       coalesce((SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace
                  WHERE nspname = 'mailsync')::text, 'none'),
       to_regrole('mailsync_writer') IS NOT NULL"""
_IS_READ_ONLY = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"
_HAS_MAILBOXES = "SELECT to_regclass('mailsync.email_credentials') IS NOT NULL"
_MAILBOXES = "SELECT count(*) FROM mailsync.email_credentials"
_IS_WRITER = "SELECT pg_has_role(current_user, 'mailsync_writer', 'USAGE')"


def database_problems(values: Mapping[str, str], *, is_new_stage: bool = False) -> Iterator[str]:
    """Yield a sentence for each reason why the stage could not use the database. The checks write
    nothing to the database.

    values: values of the stage's secrets by field name, such as DATABASE_URL.
    is_new_stage: whether the stage is not deployed yet. A new stage has no key for tokens, so a
        database that already contains mailboxes belongs to another stage.
    """
    settings = Settings(values)
    has_owner = settings.database_url_setting_name(as_owner=True) != "DATABASE_URL"
    try:
        for as_owner in (False, True) if has_owner else (False,):
            yield from _address_problems(settings, as_owner=as_owner)
        owner = yield from _owner_problems(settings)
        if has_owner and owner:
            yield from _functions_login_problems(settings)
        if is_new_stage and owner:
            yield from _other_stage_problems(settings)
    except MailsyncError as error:
        yield str(error)
    except pg8000.native.DatabaseError as error:
        yield f"The database rejects a check of the login: {_reason(error)}."


def migrate_database_and_create_login(values: Mapping[str, str]) -> tuple[str, ...]:
    """Apply the missing migrations; return the versions of the migrations that were applied.

    If the database lacks the login with which the functions connect, create the login.

    Raises:
        DeploymentFailed: a migration failed, the login could not be created, or the functions
            cannot use the database.
    """
    settings = Settings(values)
    try:
        applied = apply_migrations(settings)
        with closing(connect(settings, as_owner=True)) as owner:
            if _is_login_missing(owner, settings):
                owner.run(build_lambda_login_creation_sql(_functions_login(settings)))
        with closing(Database(settings)) as database:
            _require_migrated(database)
    except MailsyncError as error:
        raise DeploymentFailed(f"The database was not prepared: {error}") from None
    except pg8000.native.DatabaseError as error:
        raise DeploymentFailed(
            "The database did not create the login of the functions"
            f" ({_reason(error)}); create it as docs/database.md"
            ' describes under "Roles".'
        ) from None
    return applied


def _require_migrated(database: Database) -> None:
    try:
        require_writable_migrated_database(database)
    except SchemaOutdated as error:
        raise SchemaOutdated(
            f"{error} DATABASE_URL and MIGRATION_DATABASE_URL must name the same database."
        ) from None


def _address_problems(settings: Settings, *, as_owner: bool) -> Iterator[str]:
    target = read_connection_parameters(settings, as_owner=as_owner)
    name = settings.database_url_setting_name(as_owner=as_owner)
    if target.socket_dir or target.host.lower() in LOOPBACK_HOSTS:
        yield f"{name} is a database on this machine, which AWS Lambda cannot reach."
        return
    with suppress(OSError):  # the check of the login reports the failure
        families = {family for family, *_ in socket.getaddrinfo(target.host, target.port)}
        if families == {socket.AF_INET6}:
            yield (
                f"{name} has a host with an IPv6 address only, which AWS Lambda cannot reach: use"
                " the database's pooler (docs/deploy.md)."
            )


def _owner_problems(settings: Settings) -> Generator[str, None, bool]:
    """Yield a sentence for each problem of the login that migrates the schema. Return whether the
    other checks can follow: the login works, and the database is new enough and writable."""
    name = settings.database_url_setting_name(as_owner=True)
    try:
        with closing(connect(settings, as_owner=True)) as connection:
            version, may_create, may_create_roles, owns, has_roles = connection.run(_RIGHTS)[0]
            is_read_only = connection.run(_IS_READ_ONLY)[0][0]
    except MailsyncError as error:
        yield f"{name}: {error}"
        return False
    if version < MIN_POSTGRES_VERSION_NUMBER:
        yield (
            f"The database is Postgres {version // 10000}, and Mailsync needs"
            f" {MIN_POSTGRES_VERSION_NUMBER // 10000} or newer: upgrade it."
        )
        return False
    if is_read_only:
        yield _read_only_problem(name)
        return False
    pending = plan_migrations(settings)
    lacks = (
        (owns == "none" and not may_create, "create a schema (GRANT CREATE ON DATABASE)"),
        (owns == "false", "change the schema mailsync: log in as the schema's owner"),
        (not has_roles and not may_create_roles, "create roles (ALTER ROLE ... CREATEROLE)"),
    )
    for is_lacking, what in lacks if pending else ():
        if is_lacking:
            yield (
                f"{len(pending)} migrations are missing, and the login of {name} may not {what}."
                " Write the login of the schema's owner into MIGRATION_DATABASE_URL."
            )
    return True


def _functions_login_problems(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each problem of the login of DATABASE_URL. If the login does not exist
    yet, that is a problem only if the deployment cannot create it after the migrations."""
    with closing(connect(settings, as_owner=True)) as owner:
        if _is_login_missing(owner, settings):
            try:
                build_lambda_login_creation_sql(_functions_login(settings))
            except SettingMissing as error:
                yield f"The login of DATABASE_URL does not exist and cannot be created: {error}"
            if not owner.run(_RIGHTS)[0][2]:
                yield (
                    "The login of DATABASE_URL does not exist, and the login of"
                    " MIGRATION_DATABASE_URL may not create it (ALTER ROLE ... CREATEROLE): create"
                    ' it as docs/database.md describes under "Roles".'
                )
            return
        has_roles = owner.run(_RIGHTS)[0][-1]
    try:
        with closing(connect(settings)) as connection:
            if has_roles and not connection.run(_IS_WRITER)[0][0]:
                yield (
                    "The login of DATABASE_URL is no member of the role mailsync_writer: as the"
                    " owner, GRANT mailsync_writer to it."
                )
            if connection.run(_IS_READ_ONLY)[0][0]:
                yield _read_only_problem("DATABASE_URL")
    except MailsyncError as error:
        yield f"DATABASE_URL: {error}"


def _reason(error: pg8000.native.DatabaseError) -> str:
    return str(error.args[0].get("M", "no reason given"))


def _read_only_problem(name: str) -> str:
    return (
        f"{name} is a database that accepts no writes, such as a read replica: write the address of"
        " the primary, or end its read-only mode."
    )


def _other_stage_problems(settings: Settings) -> Iterator[str]:
    """Yield a sentence if the database contains stored tokens. They belong to another stage, whose
    key encrypts them. With one database, both stages would try to sync all mailboxes, and each
    stage would close the accounts whose tokens it cannot decrypt."""
    with closing(connect(settings, as_owner=True)) as owner:
        count = owner.run(_MAILBOXES)[0][0] if owner.run(_HAS_MAILBOXES)[0][0] else 0
    if count:
        yield (
            f"The database has {count} connected mailboxes of another stage, whose key decrypts"
            " their tokens, and this account and region have no stage of this name. Set"
            " AWS_PROFILE, AWS_REGION and STAGE to those of that stage, or write another database."
            " If that stage no longer exists, empty the table mailsync.email_credentials as the"
            " owner; every mailbox must then be connected again."
        )


def _functions_login(settings: Settings) -> DatabaseLogin:
    """Return the user and password of DATABASE_URL, without the suffix `.PROJECT` that the URLs of
    Supabase's pooler add to the user."""
    target = read_connection_parameters(settings, as_owner=False)
    return DatabaseLogin(target.user.partition(".")[0], target.password or "")


def _is_login_missing(owner: Connection, settings: Settings) -> bool:
    """Return whether the database has no role for the user of DATABASE_URL."""
    names: Any = [read_connection_parameters(settings, as_owner=False).user]
    names.append(names[0].partition(".")[0])
    found = owner.run(
        "SELECT 1 FROM pg_roles WHERE rolname = ANY(CAST(:names AS text[]))", names=names
    )
    return not found
