from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from localdev.engine.postgres import Postgres
from localdev.mail.generate import generate_mail
from localdev.simulators import Simulators
from localdev.stack import FUNCTIONS_LOGIN
from mailsync.model import Provider
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from tests.conftest import TEMPLATE
from tests.store.rows import rows
from tests.workflow.failures.world import World

SHORT_PAUSE_S = 0.01
# Each folder costs a step; what fails in these fails in more.
MISSING = ("drafts", "sentitems", "junkemail", "outbox", "conversationhistory")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    with Simulators(tmp_path_factory.mktemp("simulators")) as running:
        yield running


@pytest.fixture
def simulators(running: Simulators) -> Iterator[Simulators]:
    defaults = running.service.behaviour, running.service.latency
    running.service.set_behaviour(retry_after_s=SHORT_PAUSE_S)
    yield running
    running.service.behaviour, running.service.latency = defaults
    running.service.faults.clear()
    running.service.log.clear()


@pytest.fixture(scope="session")
def owner(create_database: Callable[[str], str]) -> Settings:
    """Of one database for all tests of a process: a new one for each costs more than a sync."""
    return Settings({"DATABASE_URL": create_database(TEMPLATE)})


@pytest.fixture(scope="session")
def shared(postgres: Postgres, owner: Settings) -> Settings:
    """Of the same database as the functions know it, which do not own it."""
    postgres.open_login(FUNCTIONS_LOGIN, role="mailsync_writer")
    return Settings(
        {"DATABASE_URL": owner.database_url.replace("postgres@", f"{FUNCTIONS_LOGIN}@")}
    )


@pytest.fixture
def world(
    simulators: Simulators,
    owner: Settings,
    shared: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """A mailbox with mail in three of its four folders, connected and not yet synced."""
    address = f"{tmp_path.name.lower()}@example.com"
    remote = simulators.add_mailbox(address)
    for role in MISSING:
        remote.folders.remove(role)
    mail = generate_mail(36, owner=address)
    folders: list[tuple[str, ...]] = [(), ("Archive",), ("Archive", "Projects")]
    remote.load(replace(each, folder=folders[at % 3]) for at, each in enumerate(mail))
    database = Database(shared)
    account_id = CredentialStore(database).connect_account(
        user_id="ann",
        provider=Provider("microsoft"),
        provider_account_id=remote.user_id,
        email_address=address,
    )
    world = World(simulators, remote, shared, database, account_id)
    world.install(monkeypatch)
    yield world
    database.close()
    with closing(Database(owner)) as database:
        rows(database, "TRUNCATE mailsync.email_accounts CASCADE")
