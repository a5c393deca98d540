from collections.abc import Iterator
from pathlib import Path

import pytest

from localdev.simulators import Simulators
from mailsync.model import Provider
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from tests.providers.simulators.graph_client import a_mail
from tests.workflow.failures.world import World


@pytest.fixture
def world(
    settings: Settings, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A mailbox with two messages in its inbox, connected and synced once."""
    with Simulators(tmp_path) as simulators:
        remote = simulators.add_mailbox("ann@example.com")
        for _ in range(2):
            remote.deliver(a_mail())
        account_id = CredentialStore(database).connect_account(
            user_id="ann",
            provider=Provider.MICROSOFT,
            provider_account_id=remote.user_id,
            email_address="ann@example.com",
        )
        world = World(simulators, remote, settings, database, account_id)
        world.install(monkeypatch)
        assert world.sync() == "completed"
        yield world
