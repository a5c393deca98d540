from collections.abc import Iterator
from typing import Any

import pytest

from mailsync.credentials.vault import Vault
from mailsync.settings import Settings
from tests.api.credentials.identity_platform import CLIENT_ID, IdentityPlatform
from tests.api.credentials.memory_store import MemoryStore


@pytest.fixture
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityPlatform]:
    platform = IdentityPlatform(tmp_path_factory.getbasetemp())
    yield platform
    platform.stop()


@pytest.fixture
def settings(platform: IdentityPlatform) -> Settings:
    return Settings(
        {
            "MICROSOFT_AUTHORITY": platform.authority,
            "MICROSOFT_CLIENT_ID": CLIENT_ID,
            "MICROSOFT_CLIENT_SECRET": "secret-1",
            "CA_BUNDLE": str(platform.ca_bundle),
        }
    )


@pytest.fixture
def key_arn(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def vault(kms: Any, key_arn: str, store: MemoryStore) -> Vault:
    return Vault(key_arn, store, kms)
