"""A transaction pooler with fewer connections than clients gives each client its own responses."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from mailsync.model import Upsert
from mailsync.settings import Settings
from mailsync.store.connection import Database
from tests.store.conftest import connect_mirror
from tests.store.pooler import pooled
from tests.support.builders import a_message, a_remote_folder

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
        mirror = connect_mirror(database, f"user-{number}", a_remote_folder())
        for page in range(PAGES):
            message = a_message(f"m{page}", subject=f"{number}/{page}")
            assert mirror.apply(mirror.first, Upsert(message), has_more=True) is not None
        return dict(map(tuple, mirror.rows(SUBJECTS.format(mirror.run.account_id))))


def test_every_client_finds_exactly_what_it_wrote(pooled_url: str) -> None:
    numbers = range(CLIENTS)
    with ThreadPoolExecutor(CLIENTS) as clients:
        found = list(clients.map(lambda number: mirror_one_account(pooled_url, number), numbers))

    assert found == [
        {f"m{page}": f"{number}/{page}" for page in range(PAGES)} for number in numbers
    ]
