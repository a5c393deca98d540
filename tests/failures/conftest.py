from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localdev.mail.generate import generate_mail
from localdev.simulators import Simulators
from mailsync.model import Provider
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from tests.failures.world import World

SHORT_PAUSE_S = 0.01
# Each folder costs a step; what fails in these fails in more.
MISSING = ("drafts", "sentitems", "junkemail", "outbox", "conversationhistory")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    with Simulators(tmp_path_factory.mktemp("simulators")) as running:
        yield running


@pytest.fixture
def simulators(running: Simulators) -> Iterator[Simulators]:
    defaults = running.service.switches, running.service.latency
    running.service.set_switches(retry_after_s=SHORT_PAUSE_S)
    yield running
    running.service.switches, running.service.latency = defaults
    running.service.faults.clear()
    running.service.log.clear()


@pytest.fixture
def world(simulators: Simulators, settings: Settings, database: Database, tmp_path: Path) -> World:
    """A mailbox with mail in three of its four folders, connected and not yet synced."""
    address = f"{tmp_path.name.lower()}@example.com"
    remote = simulators.add_mailbox(address)
    for role in MISSING:
        remote.folders.remove(role)
    mail = generate_mail(36, owner=address)
    folders: list[tuple[str, ...]] = [(), ("Archive",), ("Archive", "Projects")]
    remote.load(replace(each, folder=folders[at % 3]) for at, each in enumerate(mail))
    account_id = CredentialStore(database).connect_account(
        user_id="ann",
        provider=Provider.MICROSOFT,
        provider_account_id=remote.user_id,
        email_address=address,
    )
    return World(simulators, remote, settings, database, account_id)
