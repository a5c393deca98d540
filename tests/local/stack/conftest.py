"""The whole product, started as `make dev` starts it, on free ports and in a folder of its own."""

import socket
from collections.abc import Iterator

import pytest

from localdev.demo_account import simulator
from tests.local.mirror import Mirror
from tests.support.app_certificate import app_certificate
from tests.support.small_stack import small_stack


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """Connected by an app that has a certificate, and its first sync finished."""
    folder = tmp_path_factory.mktemp("stack")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with small_stack(folder, database_port=port) as stack:
        certificate = app_certificate()
        simulator(stack.provider, "POST", "app-certificates", pem=certificate)
        stack.lambdas.settings["MICROSOFT_CLIENT_CERTIFICATE"] = certificate
        yield Mirror.of(stack)
