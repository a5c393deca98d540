"""The handlers as Lambda runs them: real settings from the environment, real Postgres, and
Step Functions and KMS as moto serves them over HTTP."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer

from localdev.engine.aws_resources import CREDENTIALS, aws_client, open_token_key
from localdev.simulators import CLIENT_ID, CLIENT_SECRET, Simulators
from localdev.simulators.service import TENANT_ID
from mailsync.log import logger
from mailsync.model import AccountId, Provider
from mailsync.settings import Settings, load_settings
from mailsync.store.connection import Database, connect, open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.sync.mailbox import open_vault
from tests.api.conformance import documented
from tests.api.connecting import BEGIN, CALLBACK, choose, cookie_of
from tests.api.front import Front
from tests.api.requests import Answer, a_request, call
from tests.conftest import TEMPLATE

Ask = Callable[..., Answer]
Connect = Callable[..., AccountId]
Sql = Callable[..., list[list[Any]]]

WAITS = {
    "StartAt": "wait",
    "States": {
        "wait": {"Type": "Wait", "Seconds": 3600, "Next": "end"},
        "end": {"Type": "Succeed"},
    },
}
PASSES = {"StartAt": "pass", "States": {"pass": {"Type": "Pass", "End": True}}}


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def step_functions(aws_url: str) -> Any:
    return aws_client("stepfunctions", aws_url)


@pytest.fixture(scope="session")
def kms(aws_url: str) -> Any:
    return aws_client("kms", aws_url)


@pytest.fixture
def environment(
    database_url: str, aws_url: str, step_functions: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    """Everything a function is told by its environment; the process forgets it afterwards."""
    for name, value in {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": aws_url,
        "DATABASE_URL": database_url,
        "APP_INBOX_URL": "https://app.example.org/inbox",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MAILBOX_SYNC_ARN", _machine(step_functions, "mailbox-sync", WAITS))
    monkeypatch.setenv("TEST_SYNC_ARN", _machine(step_functions, "test-sync", PASSES))
    _forget()
    yield monkeypatch
    _forget()


@pytest.fixture(scope="session")
def front(
    create_database: Callable[[str], str],
    aws_url: str,
    step_functions: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Front]:
    """Ask for it in tests of the xdist group `front` only: one process starts it for all."""
    logs = tmp_path_factory.mktemp("front")
    settings = {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": aws_url,
        "APP_INBOX_URL": "https://app.example.org/inbox",
        "MAILBOX_SYNC_ARN": _machine(step_functions, "mailbox-sync", WAITS),
        "TEST_SYNC_ARN": _machine(step_functions, "test-sync", PASSES),
        "MICROSOFT_CLIENT_ID": CLIENT_ID,
        "MICROSOFT_CLIENT_SECRET": CLIENT_SECRET,
        "MICROSOFT_TENANTS": TENANT_ID,
        "TOKEN_KEY_ARN": open_token_key(aws_url, logs / "key.json").arn,
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
    with Simulators(logs / "simulators") as provider:
        provider.add_mailbox("ann@example.org")
        settings |= {
            "GRAPH_URL": provider.graph_url,
            "MICROSOFT_AUTHORITY": provider.authority,
            "CA_BUNDLE": str(provider.ca_bundle),
        }
        with Front(create_database(TEMPLATE), settings, logs) as front:
            yield front


@pytest.fixture
def ask(environment: pytest.MonkeyPatch) -> Ask:
    """Sends a request to the function `api`."""
    from handlers.api import handler

    return lambda route, **parts: documented(route, call(handler, a_request(route, **parts)))


@pytest.fixture(scope="session")
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    with Simulators(tmp_path_factory.mktemp("simulators")) as running:
        yield running


@pytest.fixture
def identity(simulators: Simulators) -> Iterator[Simulators]:
    """Ann and Bo have mailboxes there."""
    for address in ("ann@example.org", "bo@example.org"):
        simulators.add_mailbox(address)
    defaults = simulators.service.behaviour
    yield simulators
    simulators.service.behaviour = defaults
    simulators.service.faults.clear()
    simulators.service.token_faults.clear()
    simulators.service.log.clear()


@pytest.fixture
def ask_connect(environment: pytest.MonkeyPatch, identity: Simulators, kms: Any) -> Ask:
    """Sends a request to the function `connect`."""
    from handlers.connect import handler

    for name, value in {
        "GRAPH_URL": identity.graph_url,
        "MICROSOFT_AUTHORITY": identity.authority,
        "MICROSOFT_CLIENT_ID": CLIENT_ID,
        "MICROSOFT_CLIENT_SECRET": CLIENT_SECRET,
        "CA_BUNDLE": str(identity.ca_bundle),
        "TOKEN_KEY_ARN": kms.create_key()["KeyMetadata"]["Arn"],
    }.items():
        environment.setenv(name, value)
    return lambda route, **parts: documented(route, call(handler, a_request(route, **parts)))


@pytest.fixture
def begun(ask_connect: Ask) -> Answer:
    """A sign-in of Ann, as the application begins it for her."""
    return ask_connect(BEGIN)


@pytest.fixture
def answer(begun: Answer, identity: Simulators) -> dict[str, str]:
    """What the platform answers after Ann has agreed."""
    return choose(identity, begun, account="ann@example.org")


@pytest.fixture
def connected(ask_connect: Ask, begun: Answer, answer: dict[str, str]) -> Answer:
    """What Ann's browser is told when it comes back."""
    return ask_connect(CALLBACK, query=answer, cookies=cookie_of(begun), user=None)


@pytest.fixture
def connect_account(database: Database) -> Connect:
    """A connected mailbox; Ann's at Microsoft unless said otherwise."""
    return partial(
        CredentialStore(database).connect_account,
        user_id="ann",
        provider=Provider.MICROSOFT,
        provider_account_id="uid.utid",
        email_address="ann@example.org",
    )


@pytest.fixture
def account_id(connect_account: Connect) -> AccountId:
    """Ann's mailbox, not synced yet; modules that need another one define it anew."""
    return connect_account()


@pytest.fixture
def sql(settings: Settings) -> Iterator[Sql]:
    """Runs a statement beside the product, to bring about what it does not do by itself."""
    connection = connect(settings)
    yield lambda statement, **parameters: connection.run(statement, **parameters) or []
    connection.close()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the functions print."""
    printed = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", printed)
    return printed


def _machine(client: Any, name: str, definition: Mapping[str, object]) -> str:
    """One per test, so that no execution of another test is counted."""
    created = client.create_state_machine(
        name=f"{name}-{uuid4()}",
        definition=json.dumps(definition),
        roleArn="arn:aws:iam::123456789012:role/workflow",
    )
    return str(created["stateMachineArn"])


def _forget() -> None:
    if load_settings.cache_info().currsize and open_database.cache_info().currsize:
        open_database().close()
    open_vault.cache_clear()
    open_database.cache_clear()
    load_settings.cache_clear()
