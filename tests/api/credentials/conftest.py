from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from mailsync.credentials.vault import Vault
from mailsync.settings import Settings
from tests.api.credentials.identity_platform import CLIENT_ID, IdentityPlatform
from tests.api.credentials.memory_store import MemoryStore


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[IdentityPlatform]:
    platform = IdentityPlatform(tmp_path)
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


@pytest.fixture(scope="session")
def kms() -> Iterator[Any]:
    """The key service of moto, over HTTP."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "kms",
        endpoint_url=f"http://{host}:{port}",
        region_name="eu-central-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    yield client
    client.close()
    server.stop()


@pytest.fixture
def key_arn(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def vault(kms: Any, key_arn: str, store: MemoryStore) -> Vault:
    return Vault(key_arn, store, kms)
