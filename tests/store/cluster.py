"""A Postgres cluster that no migration has seen, with passwords: as one gets it from a provider."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from localdev.engine.postgres import Postgres
from localdev.reserved_port import reserve_port
from mailsync.settings import Settings
from mailsync.store.connection import connect
from tests.support.databases import UNSAFE_BUT_QUICK

PASSWORD = "secret of the test"
_HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
_LEFT_OVER = """
SELECT 'DROP DATABASE ' || quote_ident(datname) || ' WITH (FORCE)', 1, true FROM pg_database
 WHERE datname NOT IN ('mail', 'postgres') AND NOT datistemplate
 UNION ALL
SELECT 'DROP ROLE ' || quote_ident(rolname), 2, rolcanlogin FROM pg_roles
 WHERE rolname <> 'postgres' AND rolname NOT LIKE 'pg\\_%'
 ORDER BY 2, 3"""


class Cluster:
    def __init__(self, server: Postgres, port: int) -> None:
        self._server, self._port = server, port

    def run(self, *statements: str, login: str = "postgres", database: str = "mail") -> list[Any]:
        """Each in a transaction of its own; the rows of the last. Logs in without a password."""
        url = self._server.socket_url_for_login(login).replace("/mail?", f"/{database}?")
        with closing(connect(Settings({"DATABASE_URL": url}))) as connection:
            return [connection.run(each) or [] for each in statements][-1]

    def create(self, database: str, *, owner: str, attributes: str = "") -> str:
        """A database of a new login with these attributes, which is no superuser; its URL."""
        self.run(
            f"CREATE ROLE {owner} LOGIN {attributes} PASSWORD '{PASSWORD}'",
            f"CREATE DATABASE {database} OWNER {owner}",
        )
        return self.url(owner, database)

    def url(
        self, login: str, database: str, *, host: str = "127.0.0.1", password: str = PASSWORD
    ) -> str:
        return f"postgresql://{login}:{quote(password)}@{host}:{self._port}/{database}"

    def forget(self) -> None:
        for statement, *_ in self.run(_LEFT_OVER):
            self.run(statement)


@contextmanager
def cluster_in(folder: Path) -> Iterator[Cluster]:
    with (
        reserve_port() as port,
        Postgres(folder, tcp_port=port, settings=UNSAFE_BUT_QUICK) as server,
    ):
        (server.cluster_folder / "pg_hba.conf").write_text(_HBA)
        server.start_or_restart()
        yield Cluster(server, port)
