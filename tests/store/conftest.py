from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mailsync.model import (
    AccountId,
    FolderId,
    RunId,
    RunRef,
    StoredFolder,
    SyncType,
    Upsert,
    WrittenRowCounts,
)
from mailsync.store.connection import Database
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from mailsync.store.stores import Stores
from tests.store.cluster import Cluster, cluster_in
from tests.store.rows import let_time_pass, one, rows
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder


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
def mail(database: Database) -> MailStore:
    return MailStore(database)


@pytest.fixture
def folder_store(database: Database) -> FolderStore:
    return FolderStore(database)


@pytest.fixture
def mirror(database: Database, run: RunRef, folders: tuple[StoredFolder, StoredFolder]) -> Mirror:
    return Mirror(database, run, *(each.ref.id for each in folders))


@pytest.fixture
def run(database: Database, account_id: AccountId) -> RunRef:
    """A run that holds the lease."""
    epoch = LeaseStore(database).begin(
        account_id, RunId("run-1"), "arn-1", SyncType.INITIAL, "test"
    )
    assert epoch is not None
    return RunRef(account_id, RunId("run-1"), epoch)


@pytest.fixture
def folders(folder_store: FolderStore, run: RunRef) -> tuple[StoredFolder, StoredFolder]:
    """F1 and F2; the full sync of neither has begun."""
    folder_store.save(run, [a_remote_folder("F1"), a_remote_folder("F2")], [])
    first, second = folder_store.folders(run.account_id)
    return first, second


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_in(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """Its roles and databases are this test's alone."""
    yield running_cluster
    running_cluster.forget()
