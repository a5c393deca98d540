from collections.abc import Callable, Iterator

import pytest

from mailsync.model import AccountId, FolderId, KnownFolder, Page, RunId, RunRef, SyncType
from mailsync.store.connection import Database
from mailsync.store.mail_store import MailStore
from mailsync.store.run_store import RunStore
from tests.builders import a_page_write, a_remote_folder, connect_account
from tests.store.cluster import Cluster, cluster_in

Apply = Callable[..., object]


@pytest.fixture
def runs(database: Database) -> RunStore:
    return RunStore(database)


@pytest.fixture
def mail(database: Database) -> MailStore:
    return MailStore(database)


@pytest.fixture
def account_id(database: Database) -> AccountId:
    return connect_account(database, "ann")


@pytest.fixture
def run(runs: RunStore, account_id: AccountId) -> RunRef:
    """A run that holds the lease."""
    epoch = runs.begin(account_id, RunId("run-1"), "arn-1", SyncType.INITIAL, "test")
    assert epoch is not None
    return RunRef(account_id, RunId("run-1"), epoch)


@pytest.fixture
def folders(mail: MailStore, run: RunRef) -> tuple[KnownFolder, KnownFolder]:
    """F1 and F2, neither of them walked yet."""
    mail.save_folders(run, [a_remote_folder("F1"), a_remote_folder("F2")], [])
    first, second = mail.folders(run.account_id)
    return first, second


@pytest.fixture
def apply(mail: MailStore, run: RunRef) -> Apply:
    """Stores a page in a folder as it stands now."""

    def apply_page(folder_id: FolderId, page: Page) -> object:
        folder = mail.folder(run.account_id, folder_id)
        return mail.apply_page(run, a_page_write(folder, page))

    return apply_page


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_in(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """Its roles and databases are this test's alone."""
    yield running_cluster
    running_cluster.forget()
