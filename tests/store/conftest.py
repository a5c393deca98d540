from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from localdev.engine.postgres import Postgres
from mailsync.model import (
    AccountId,
    FeedId,
    FolderId,
    RemoteFolder,
    RunRef,
    StoredFolder,
    Upsert,
    WrittenRowCounts,
)
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.folder_store import FolderStore
from mailsync.store.stores import MailboxStores
from tests.conftest import TEMPLATE
from tests.store.cluster import Cluster
from tests.store.reader import LOGIN, Reader
from tests.store.rows import let_time_pass, one, rows
from tests.support.builders import (
    a_message,
    a_page,
    a_page_write,
    a_remote_folder,
    begin_run,
    connect_account,
)

NO_FOLDER = FolderId(0)


@dataclass(frozen=True)
class Mirror(MailboxStores):
    """What is stored of a mailbox under a run's lease; `first` and `second` are its folders."""

    database: Database
    run: RunRef
    first: FolderId
    second: FolderId = NO_FOLDER

    def folder(self, folder_id: FolderId) -> StoredFolder:
        return self.folder_store.read_folder(self.run.account_id, folder_id)

    def feed_id(self, folder_id: FolderId) -> FeedId:
        return self.folder(folder_id).feed.ref.id

    def apply(self, folder_id: FolderId, *changes: Any, **fields: Any) -> WrittenRowCounts | None:
        """Store a page of changes behind the last one; by default nothing is left behind it."""
        feed = self.folder(folder_id).feed
        cursor = feed.position.sealed_cursor
        fields.setdefault("next_cursor", f"{(cursor.sealed_bytes if cursor else b'').decode()}+")
        return self.mail_store.write_page(self.run, a_page_write(feed, a_page(*changes, **fields)))

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


def mirror_of(database: Database, run: RunRef, *folders: RemoteFolder) -> Mirror:
    """One or two folders whose full sync has not begun."""
    store = FolderStore(database)
    store.save_tree_changes(run, folders, [])
    return Mirror(
        database, run, *(each.ref.id for each in store.read_existing_folders(run.account_id))
    )


def connect_mirror(database: Database, who: str, *folders: RemoteFolder) -> Mirror:
    """Connect an account of that user, and begin a run of that name."""
    run = begin_run(database, connect_account(database, who), who, who)
    return mirror_of(database, run, *folders)


@pytest.fixture
def run(database: Database, account_id: AccountId) -> RunRef:
    """A run that holds the lease."""
    return begin_run(database, account_id)


@pytest.fixture
def mirror(database: Database, run: RunRef) -> Mirror:
    return mirror_of(database, run, a_remote_folder("F1"), a_remote_folder("F2"))


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
    postgres.create_login_if_missing(LOGIN, role="mailsync_reader")
    with closing(Reader(shared_url.replace("postgres@", f"{LOGIN}@"))) as reader:
        yield reader


@pytest.fixture
def owner_url(cluster: Cluster) -> str:
    """Of a database `mine` without our schema, by its owner `me`, who may create roles."""
    return cluster.create("mine", owner="me", attributes="CREATEROLE")
