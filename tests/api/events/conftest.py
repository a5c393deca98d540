from collections.abc import Iterator

import pytest

from localdev.engine.aws_endpoint import AwsEndpoint
from localdev.engine.aws_resources import CREDENTIALS, create_event_bus
from localdev.engine.event_bus import EventBus as LocalBus
from localdev.engine.lambda_host import InvocationResult
from mailsync.events.outgoing import EventBus
from mailsync.store.connection import Database
from mailsync.store.outbox_store import OutboxStore

# moto keeps its state for the whole process, where a stack may have made the bus of its own name.
BUS = "events-under-test"


class NoFunctions:
    def invoke(self, function: str, payload: bytes, /) -> InvocationResult:
        raise AssertionError(function)

    invoke_later = invoke_with_retries = invoke


@pytest.fixture(scope="session")
def local_bus() -> Iterator[tuple[LocalBus, str]]:
    """The local event bus without any rule, and the URL of its endpoint."""
    seen = LocalBus(NoFunctions(), (), name=BUS)
    endpoint = AwsEndpoint(NoFunctions(), port=0, bus=seen)
    create_event_bus(endpoint.url, BUS)
    yield seen, endpoint.url
    endpoint.stop()


@pytest.fixture
def bus(local_bus: tuple[LocalBus, str], monkeypatch: pytest.MonkeyPatch) -> EventBus:
    """The product's client of it."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": local_bus[1]}.items():
        monkeypatch.setenv(name, value)
    return EventBus(BUS)


@pytest.fixture
def outbox(database: Database) -> OutboxStore:
    return OutboxStore(database)
