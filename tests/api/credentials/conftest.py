from collections.abc import Iterator
from typing import Any

import pytest

from mailsync.credentials.vault import Vault
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from tests.api.credentials.identity_platform import IdentityPlatform


@pytest.fixture
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityPlatform]:
    platform = IdentityPlatform(tmp_path_factory.getbasetemp())
    yield platform
    platform.stop()


@pytest.fixture
def store(database: Database) -> CredentialStore:
    return CredentialStore(database)


@pytest.fixture
def vault(kms: Any, token_key_arn: str, store: CredentialStore) -> Vault:
    return Vault(token_key_arn, store, kms)
