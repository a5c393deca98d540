from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from localdev.engine.postgres import Postgres
from mailsync.model import AccountId, FolderId, RunRef, StoredFolder, Upsert, WrittenRowCounts
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.stores import Stores
from tests.conftest import TEMPLATE
from tests.store.cluster import Cluster, cluster_in
from tests.store.reader import LOGIN, Reader
from tests.store.rows import let_time_pass, one, rows
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder, begin_run


@dataclass(frozen=True)
class Mirror(Stores):
    """What is stored of a mailbox with the folders `first` and `second`, under a run's lease."""

    database: Database
    run: RunRef
    first: FolderId
    second: FolderId

    def folder(self, folder_id: FolderId) -> StoredFolder:
        return self.folders.folder(self.run.account_id, folder_id)

    def apply(self, folder_id: FolderId, *changes: Any, **fields: Any) -> WrittenRowCounts | None:
        """Store a page of changes behind the last one; by default nothing is left behind it."""
        folder = self.folder(folder_id)
        cursor = folder.position.cursor
        page = a_page(
            *changes, next_cursor=f"{(cursor.data if cursor else b'').decode()}+", **fields
        )
        return self.mail.apply_page(self.run, a_page_write(folder, page))

    def fill(self, folder_id: FolderId, number: int) -> list[str]:
        """Store so many messages in a folder that was never read; return their ids."""
        remote_id = self.folder(folder_id).ref.remote_id
        ids = [f"{remote_id}-{at:04}" for at in range(number)]
        self.apply(folder_id, *(Upsert(a_message(each, remote_id)) for each in ids))
        return ids

    def one(self, sql: str) -> list[Any]:
        return one(self.database, sql)

    def rows(self, sql: str) -> list[list[Any]]:
        return rows(self.database, sql)

    def let_time_pass(self, hours: float) -> None:
        let_time_pass(self.database, hours)


@pytest.fixture
def run(database: Database, account_id: AccountId) -> RunRef:
    """A run that holds the lease."""
    return begin_run(database, account_id)


@pytest.fixture
def mirror(database: Database, run: RunRef) -> Mirror:
    """The full sync of neither folder has begun."""
    folders = Mirror(database, run, FolderId(0), FolderId(0)).folders
    folders.save(run, [a_remote_folder("F1"), a_remote_folder("F2")], [])
    return Mirror(database, run, *(each.ref.id for each in folders.folders(run.account_id)))


@pytest.fixture(scope="module")
def shared_url(create_database: Callable[[str], str]) -> str:
    """One database for all tests of a module, which leave its rows as they are."""
    return create_database(TEMPLATE)


@pytest.fixture(scope="module")
def shared_database(shared_url: str) -> Iterator[Database]:
    with closing(Database(Settings({"DATABASE_URL": shared_url}))) as database:
        yield database


@pytest.fixture(scope="module")
def shared_reader(postgres: Postgres, shared_url: str) -> Iterator[Reader]:
    """An application that reads the same database."""
    postgres.open_login(LOGIN, role="mailsync_reader")
    with closing(Reader(shared_url.replace("postgres@", f"{LOGIN}@"))) as reader:
        yield reader


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_in(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """Its roles and databases are this test's alone."""
    yield running_cluster
    running_cluster.forget()


@pytest.fixture
def owner_url(cluster: Cluster) -> str:
    """Of a database `mine` without our schema, by its owner `me`, who may create roles."""
    return cluster.create("mine", owner="me", attributes="CREATEROLE")
