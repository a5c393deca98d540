"""Behind a transaction pooler with fewer connections than clients nobody gets others' answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailsync.model import AccountId, Provider, RunId, RunRef, SyncType, Upsert
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from tests.store.pooler import pooled
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder

CLIENTS = 8
SERVER_CONNECTIONS = 2
PAGES = 12


@pytest.fixture
def pooled_url(database_url: str, tmp_path: Path) -> Iterator[str]:
    with pooled(database_url, tmp_path, pool_size=SERVER_CONNECTIONS) as url:
        yield url


def mirror_one_account(url: str, number: int) -> tuple[AccountId, dict[str, str]]:
    """Pages of one account, written and read back by one client."""
    database = Database(Settings({"DATABASE_URL": url}))
    credentials = CredentialStore(database)
    key_id = credentials.add_data_key(b"wrapped").id
    account_id = credentials.connect_account(
        user_id=f"user-{number}",
        provider=Provider("microsoft"),
        provider_account_id=str(number),
        email_address=f"{number}@example.org",
    )
    epoch = LeaseStore(database).begin(
        account_id, RunId(f"run-{number}"), f"arn-{number}", SyncType.INITIAL, "test"
    )
    assert epoch is not None
    run, mail = RunRef(account_id, RunId(f"run-{number}"), epoch), MailStore(database)
    folders = FolderStore(database)
    folders.save(run, [a_remote_folder("F1")], [])
    for page_number in range(PAGES):
        message = a_message(f"m{page_number}", subject=f"{number}/{page_number}")
        page = a_page(Upsert(message), next_cursor=f"c{page_number}", has_more=True)
        (folder,) = folders.folders(account_id)
        assert mail.apply_page(run, a_page_write(folder, page, key_id=key_id)) is not None
    with database.transaction() as tx:
        found = tx._connection.run(
            "SELECT message_id, subject FROM mailsync.emails WHERE account_id = cast(:a AS uuid)",
            a=account_id,
        )
    database.close()
    return account_id, {message_id: subject for message_id, subject in found or []}


def test_every_client_finds_exactly_what_it_wrote(pooled_url: str) -> None:
    with ThreadPoolExecutor(CLIENTS) as clients:
        found = list(
            clients.map(lambda number: mirror_one_account(pooled_url, number), range(CLIENTS))
        )

    for number, (_, subjects) in enumerate(found):
        assert subjects == {f"m{page}": f"{number}/{page}" for page in range(PAGES)}
