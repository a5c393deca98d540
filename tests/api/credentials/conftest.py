from collections.abc import Iterator
from typing import Any

import pytest

from mailsync.credentials.vault import Vault
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from tests.api.credentials.identity_platform import CLIENT_ID, IdentityPlatform


@pytest.fixture
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityPlatform]:
    platform = IdentityPlatform(tmp_path_factory.getbasetemp())
    yield platform
    platform.stop()


@pytest.fixture
def app(platform: IdentityPlatform) -> Settings:
    """The app at this platform."""
    return Settings(
        {
            "MICROSOFT_AUTHORITY": platform.authority,
            "MICROSOFT_CLIENT_ID": CLIENT_ID,
            "MICROSOFT_CLIENT_SECRET": "secret-1",
            "CA_BUNDLE": str(platform.ca_bundle),
        }
    )


@pytest.fixture
def store(database: Database) -> CredentialStore:
    return CredentialStore(database)


@pytest.fixture
def vault(kms: Any, token_key_arn: str, store: CredentialStore) -> Vault:
    return Vault(token_key_arn, store, kms)
