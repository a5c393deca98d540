"""Behind a transaction pooler with fewer connections than clients nobody gets others' answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from mailsync.model import Upsert
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.folder_store import FolderStore
from mailsync.store.mail_store import MailStore
from tests.store.pooler import pooled
from tests.store.rows import rows
from tests.support.builders import (
    a_message,
    a_page,
    a_page_write,
    a_remote_folder,
    begin_run,
    connect_account,
)

CLIENTS = 8
SERVER_CONNECTIONS = 2
PAGES = 12
SUBJECTS = "SELECT message_id, subject FROM mailsync.emails WHERE account_id = '{}'"


@pytest.fixture
def pooled_url(database_url: str, tmp_path: Path) -> Iterator[str]:
    with pooled(database_url, tmp_path, pool_size=SERVER_CONNECTIONS) as url:
        yield url


def mirror_one_account(url: str, number: int) -> dict[str, str]:
    """Pages of one account, written and read back by one client."""
    with closing(Database(Settings({"DATABASE_URL": url}))) as database:
        account_id = connect_account(database, f"user-{number}")
        run = begin_run(database, account_id, f"run-{number}", f"arn-{number}")
        mail, folders = MailStore(database), FolderStore(database)
        folders.save(run, [a_remote_folder("F1")], [])
        for page_number in range(PAGES):
            message = a_message(f"m{page_number}", subject=f"{number}/{page_number}")
            page = a_page(Upsert(message), next_cursor=f"c{page_number}", has_more=True)
            (folder,) = folders.folders(account_id)
            assert mail.apply_page(run, a_page_write(folder, page)) is not None
        return dict(map(tuple, rows(database, SUBJECTS.format(account_id))))


def test_every_client_finds_exactly_what_it_wrote(pooled_url: str) -> None:
    numbers = range(CLIENTS)
    with ThreadPoolExecutor(CLIENTS) as clients:
        found = list(clients.map(lambda number: mirror_one_account(pooled_url, number), numbers))

    assert found == [
        {f"m{page}": f"{number}/{page}" for page in range(PAGES)} for number in numbers
    ]
