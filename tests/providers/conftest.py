"""One mailbox behind running simulators, and a client that asks for it as the product does."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.graph_client import IMMUTABLE, graph_client
from tests.support.dovecot import PASSWORD
from tests.support.outlook_form import OutlookForm


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    """Shared by a module; each test has a mailbox of its own in it."""
    with Simulators(tmp_path_factory.mktemp("simulators")) as running:
        yield running


@pytest.fixture(scope="session")
def running_imap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    """Shared by the tests of a process; each has a mailbox of its own in it."""
    ports = SimulatedImapServerSettings(password=PASSWORD)
    with Simulators(tmp_path_factory.mktemp("imap"), imap_ports=ports) as running:
        yield running


@pytest.fixture
def simulators(running: Simulators) -> Iterator[Simulators]:
    defaults = running.service.behaviour
    yield running
    running.service.behaviour = defaults
    running.service.faults.remove_all_rules()
    running.service.log.clear()


@pytest.fixture
def mailbox(simulators: Simulators, tmp_path: Path) -> Mailbox:
    return simulators.find_or_create_mailbox(f"{tmp_path.name.lower()}@example.com", "Ada Lovelace")


@pytest.fixture
def form(mailbox: Mailbox) -> OutlookForm:
    """The ids that Graph gives to what is in the mailbox."""
    return OutlookForm(mailbox)


@pytest.fixture
def graph(simulators: Simulators, mailbox: Mailbox) -> Iterator[httpx.Client]:
    with graph_client(simulators, mailbox, Prefer=IMMUTABLE) as client:
        yield client
