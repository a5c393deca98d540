import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from pg8000.native import Connection

from localdev.engine.postgres import Postgres
from localdev.mail.generate import generate_mail_items
from localdev.simulators import Simulators
from localdev.simulators.graph.well_known import CONVERSATION_HISTORY_DISPLAY_NAME
from localdev.simulators.mailbox import Mailbox
from localdev.stack import FUNCTIONS_DATABASE_LOGIN_NAME
from mailsync.model import AccountId, ProviderName
from mailsync.registry import GOOGLE
from mailsync.settings import Settings
from mailsync.store.connection import Database, connect
from mailsync.store.credential_store import CredentialStore
from tests.conftest import TEMPLATE
from tests.support.clock import let_time_pass
from tests.support.dovecot import Dovecot, dovecot, readable_folder
from tests.support.scripted_imap import scripted_imap
from tests.support.snapshot import Snapshot, snapshot
from tests.workflow.failures.gmail_world import GmailWorld
from tests.workflow.failures.imap_world import ImapWorld, imap_world
from tests.workflow.failures.world import World

ADDRESS = "ann@example.com"
SHORT_PAUSE_S = 0.01
IMAP_USERS = [f"user{number}" for number in range(200)]
_numbers = count()
# Each folder costs a step; what fails in these fails in more.
MISSING = ("drafts", "sent", "junk", "outbox")


@dataclass(frozen=True)
class Prepared:
    """What all tests of a process begin with: a new mailbox and its first sync cost more than most
    of them."""

    remote: Mailbox
    account_id: AccountId
    tables: Connection
    connected: Snapshot
    synced: Snapshot
    synced_at: float

    def restore_synced(self) -> None:
        """As if the first sync had ended just now."""
        self.synced.restore()
        let_time_pass(self.tables.run, (self.synced_at - time.monotonic()) / 3600)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    with Simulators(tmp_path_factory.mktemp("simulators")) as running:
        yield running


@pytest.fixture
def simulators(running: Simulators) -> Iterator[Simulators]:
    defaults = running.service.behaviour, running.service.latency
    # All tests of a process together ask for more than Graph allows one mailbox in ten minutes.
    running.service.set_microsoft_behaviour_switches(
        retry_after_s=SHORT_PAUSE_S, requests_per_window=sys.maxsize
    )
    yield running
    running.service.behaviour, running.service.latency = defaults
    running.service.faults.remove_all_rules()


@pytest.fixture(scope="session")
def owner(create_database: Callable[[str], str]) -> Settings:
    return Settings({"DATABASE_URL": create_database(TEMPLATE)})


@pytest.fixture(scope="session")
def shared(postgres: Postgres, owner: Settings) -> Settings:
    """Of the same database as the functions know it, which do not own it."""
    postgres.create_login_if_missing(FUNCTIONS_DATABASE_LOGIN_NAME, role="mailsync_writer")
    return Settings(
        {
            "DATABASE_URL": owner.database_url.replace(
                "postgres@", f"{FUNCTIONS_DATABASE_LOGIN_NAME}@"
            )
        }
    )


@pytest.fixture(scope="session")
def prepared(running: Simulators, owner: Settings, shared: Settings) -> Iterator[Prepared]:
    remote = running.find_or_create_mailbox(ADDRESS)
    for role in MISSING:
        remote.folders.remove_empty_folder(role)
    remote.folders.remove_empty_folder(
        next(
            each.number
            for each in remote.folders.list_all_folders()
            if each.name == CONVERSATION_HISTORY_DISPLAY_NAME
        )
    )
    folders: list[tuple[str, ...]] = [(), ("Archive",), ("Archive", "Projects")]
    mail = generate_mail_items(36, owner=ADDRESS)
    remote.import_mail_items(replace(each, folder=folders[at % 3]) for at, each in enumerate(mail))
    with closing(connect(owner)) as tables, closing(Database(shared)) as database:
        account_id = CredentialStore(database).connect_account(
            user_id="ann",
            provider=ProviderName("microsoft"),
            provider_account_id=remote.user_id,
            email_address=ADDRESS,
        )
        with snapshot(tables, running) as connected:
            world = World(running, remote, shared, database, account_id)
            with pytest.MonkeyPatch.context() as patch:
                world.install(patch)
                assert world.mirrors()
            with snapshot(tables, running) as synced:
                at = time.monotonic()
                yield Prepared(remote, account_id, tables, connected, synced, at)


@pytest.fixture
def world(
    prepared: Prepared,
    simulators: Simulators,
    shared: Settings,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[World]:
    """A mailbox with mail in three of its four folders, connected and not yet synced."""
    if "synced" not in request.fixturenames:
        prepared.connected.restore()
    with closing(Database(shared)) as database:
        world = World(simulators, prepared.remote, shared, database, prepared.account_id)
        world.install(monkeypatch)
        yield world


@pytest.fixture
def synced(world: World, prepared: Prepared) -> World:
    """The same mailbox, mirrored a moment ago."""
    prepared.restore_synced()
    return world


@pytest.fixture
def gmail(
    simulators: Simulators, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GmailWorld]:
    """An empty Gmail mailbox, connected and not yet synced."""
    remote = simulators.find_or_create_mailbox(f"{next(_numbers)}@gmail.example")
    defaults, quota = simulators.gmail.behaviour, simulators.gmail.quota
    clock = quota.clock
    with closing(Database(settings)) as database:
        account_id = CredentialStore(database).connect_account(
            user_id="ann",
            provider=GOOGLE,
            provider_account_id=remote.user_id,
            email_address=remote.address,
        )
        world = GmailWorld(simulators, remote, settings, database, account_id)
        world.install(monkeypatch)
        yield world
    simulators.gmail.behaviour, quota.clock = defaults, clock
    quota.reset_counts()


@pytest.fixture(scope="session")
def dovecot_server() -> Iterator[Dovecot]:
    """A server for all tests of a process; each test has a user of its own."""
    with readable_folder() as data, dovecot(data / "d", users=IMAP_USERS) as running:
        yield running


@pytest.fixture
def imap(
    request: pytest.FixtureRequest, dovecot_server: Dovecot, tmp_path: Path
) -> Iterator[ImapWorld]:
    """An inbox and a folder `Work` without messages, connected and not yet synced."""
    behind = dovecot_server.port, dovecot_server.certificate
    with (
        scripted_imap(tmp_path, behind=behind) as script,
        imap_world(request, dovecot_server, script, user=IMAP_USERS[next(_numbers)]) as world,
    ):
        world.other.create("Work")
        yield world
