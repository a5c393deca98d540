"""Check and migrate the database that the operator provides, from the operator's machine."""

import socket
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

import pg8000.native

from infra.deploy.failure import DeploymentFailed
from mailsync.errors import MailsyncError, SettingMissing
from mailsync.settings import LOOPBACK_HOSTS, DatabaseLogin, Settings
from mailsync.store.connection import Connection, Database, connect, read_database_target
from mailsync.store.functions_login import functions_login_sql
from mailsync.store.migrate import migrate, plan_migrations, require_usable_database

MIN_SERVER_VERSION = 150000
_RIGHTS = """
SELECT current_setting('server_version_num')::int,
       has_database_privilege(current_database(), 'CREATE'),
       (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user),
       coalesce((SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace
                  WHERE nspname = 'mailsync')::text, 'none'),
       to_regrole('mailsync_writer') IS NOT NULL"""
_IS_WRITER = "SELECT pg_has_role(current_user, 'mailsync_writer', 'USAGE')"


def database_problems(values: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each reason for which the database would not serve the stage. Nothing is
    written.

    values: the fields of the stage's secrets.
    """
    settings = Settings(values)
    has_owner = settings.database_url_setting_name(as_owner=True) != "DATABASE_URL"
    try:
        for as_owner in (False, True) if has_owner else (False,):
            yield from _address_problems(settings, as_owner=as_owner)
        owner = yield from _owner_problems(settings)
        if has_owner and owner:
            yield from _functions_login_problems(settings)
    except MailsyncError as error:
        yield str(error)


def prepare_database(values: Mapping[str, str]) -> tuple[str, ...]:
    """Apply the missing migrations, and create the login of the functions if the database lacks it;
    return the versions of the applied migrations.

    Raises:
        DeploymentFailed: a migration failed, or the functions cannot use the database.
    """
    settings = Settings(values)
    try:
        applied = migrate(settings)
        with closing(connect(settings, as_owner=True)) as owner:
            if _is_login_missing(owner, settings):
                owner.run(functions_login_sql(_functions_login(settings)))
        with closing(Database(settings)) as database:
            require_usable_database(database)
    except MailsyncError as error:
        raise DeploymentFailed(f"The database was not prepared: {error}") from None
    except pg8000.native.DatabaseError as error:
        raise DeploymentFailed(
            "The database did not create the login of the functions"
            f" ({error.args[0].get('M', 'no reason given')}); create it as docs/database.md"
            ' describes under "Roles".'
        ) from None
    return applied


def _address_problems(settings: Settings, *, as_owner: bool) -> Iterator[str]:
    target = read_database_target(settings, as_owner=as_owner)
    name = settings.database_url_setting_name(as_owner=as_owner)
    if target.socket_dir or target.host.lower() in LOOPBACK_HOSTS:
        yield f"{name} is a database on this machine, which AWS Lambda cannot reach."
        return
    with suppress(OSError):  # a name that nothing resolves fails at the login
        families = {family for family, *_ in socket.getaddrinfo(target.host, target.port)}
        if families == {socket.AF_INET6}:
            yield (
                f"{name} has a host with an IPv6 address only, which AWS Lambda cannot reach: use"
                " the database's pooler (docs/deploy.md)."
            )


def _owner_problems(settings: Settings) -> Generator[str, None, bool]:
    """Yield what the login of migrations lacks; return whether it could log in."""
    name = settings.database_url_setting_name(as_owner=True)
    try:
        with closing(connect(settings, as_owner=True)) as connection:
            version, may_create, may_create_roles, owns, has_roles = connection.run(_RIGHTS)[0]
    except MailsyncError as error:
        yield f"{name}: {error}"
        return False
    if version < MIN_SERVER_VERSION:
        yield (
            f"The database is Postgres {version // 10000}, and Mailsync needs"
            f" {MIN_SERVER_VERSION // 10000} or newer: upgrade it."
        )
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
    """Yield what is wrong with the login of DATABASE_URL. A login that does not exist yet is
    created after the migrations."""
    with closing(connect(settings, as_owner=True)) as owner:
        if _is_login_missing(owner, settings):
            try:
                functions_login_sql(_functions_login(settings))
            except SettingMissing:
                yield (
                    "The user of DATABASE_URL does not exist, and its name would need quoting:"
                    " write one in lower case, such as mailsync_functions."
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
    except MailsyncError as error:
        yield f"DATABASE_URL: {error}"


def _functions_login(settings: Settings) -> DatabaseLogin:
    """Return user and password of DATABASE_URL. Supabase's pooler adds `.PROJECT` to each user."""
    target = read_database_target(settings, as_owner=False)
    return DatabaseLogin(target.user.partition(".")[0], target.password or "")


def _is_login_missing(owner: Connection, settings: Settings) -> bool:
    """Return whether the database has no role for the user of DATABASE_URL."""
    names: Any = [read_database_target(settings, as_owner=False).user]
    names.append(names[0].partition(".")[0])
    found = owner.run(
        "SELECT 1 FROM pg_roles WHERE rolname = ANY(CAST(:names AS text[]))", names=names
    )
    return not found
