"""Databases for tests alone: copies of a template, used again where a test has left only rows."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

import pg8000.native

from localdev.engine.postgres import Postgres

MAX_GROWTH_BYTES = 4 * 2**20
_CATALOGS = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_proc"),
    *("pg_policy", "pg_trigger", "pg_namespace", "pg_type", "pg_default_acl", "pg_extension"),
)
_VERSIONS = ", ".join(
    f"(SELECT (count(*), max(xmin::text::bigint))::text FROM pg_catalog.{name})"
    for name in _CATALOGS
)
_SCHEMA = f"""
SELECT {_VERSIONS}, (SELECT array_agg(m ORDER BY m)::text FROM mailsync.schema_migrations m),
       (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase
         WHERE datname = current_database())"""
_OTHER_SESSIONS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_TABLES = """
SELECT format('DELETE FROM mailsync.%I', tablename) FROM pg_tables
 WHERE schemaname = 'mailsync' AND tablename <> 'schema_migrations'"""
_SEQUENCES = "SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence"

# Only these servers never have to survive a power cut; the local stack's own one is as shipped.
UNSAFE_BUT_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def copy_database(admin: pg8000.native.Connection, template: str, name: str) -> None:
    """Nobody may be connected to the template.

    The kernel copies the files, at a sixth of what the server's own ways cost.
    """
    copy = f"CREATE DATABASE {name} TEMPLATE {template}"
    try:
        admin.run("SET file_copy_method = clone")
        admin.run(f"{copy} STRATEGY FILE_COPY")
    except pg8000.native.DatabaseError:  # not every file system can
        admin.run(copy)


class Databases:
    """Those of one server, whose `template` has the current schema."""

    def __init__(self, server: Postgres, template: str) -> None:
        self._url, self._template = server.superuser_socket_url, template
        self._admin = self._connect("postgres")
        self._names = (f"test_{number}" for number in count(1))
        self._free: list[_Emptied] = []

    def create(self, template: str) -> str:
        """The URL of a new database, a copy of the template."""
        return self.url(self._new(template))

    def url(self, name: str) -> str:
        return self._url.replace(f"/{self._template}?", f"/{name}?")

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The URL of a database without rows. The next test gets it as well, unless its schema was
        changed or it has grown: deleted rows stay in its files."""
        if not self._free:
            name = self._new(self._template)
            self._free.append(_Emptied(name, self._connect(name)))
        database = self._free.pop()
        yield self.url(database.name)
        if database.empty():
            self._free.append(database)

    def close(self) -> None:
        for connection in (self._admin, *(database.connection for database in self._free)):
            with suppress(pg8000.native.InterfaceError):
                connection.close()

    def _new(self, template: str) -> str:
        name = next(self._names)
        copy_database(self._admin, template, name)
        return name

    def _connect(self, name: str) -> pg8000.native.Connection:
        socket = self._url.split("host=")[1] + "/.s.PGSQL.5432"
        return pg8000.native.Connection(
            "postgres", unix_sock=socket, database=name, ssl_context=False
        )


class _Emptied:
    """A database whose rows can be deleted as long as its schema is as it was."""

    def __init__(self, name: str, connection: pg8000.native.Connection) -> None:
        self.name, self.connection = name, connection
        self._schema, self._size = connection.run(_SCHEMA), self._bytes()
        deletions = "; ".join(statement for [statement] in connection.run(_TABLES))
        self._empty = f"BEGIN; {deletions}; {_SEQUENCES}; COMMIT"
        connection.run("SET session_replication_role = replica")  # no trigger, no foreign key

    def empty(self) -> bool:
        """Delete every row; False, and the database must not be used again."""
        try:
            self.connection.run(_OTHER_SESSIONS)
            is_same = self.connection.run(_SCHEMA) == self._schema
            if is_same and self._bytes() < self._size + MAX_GROWTH_BYTES:
                self.connection.run(self._empty)
                return True
        except (pg8000.native.DatabaseError, pg8000.native.InterfaceError):
            pass  # without its schema, or a test has ended every session
        with suppress(pg8000.native.InterfaceError):
            self.connection.close()
        return False

    def _bytes(self) -> int:
        return int(self.connection.run("SELECT pg_database_size(current_database())")[0][0])
