"""The handlers as Lambda runs them: real settings from the environment, real Postgres, and
Step Functions and KMS as moto serves them over HTTP."""

import json
import os
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module
from io import StringIO
from typing import Any
from uuid import uuid4

import boto3
import pytest

from infra.catalog import ROUTES
from localdev.engine.aws_resources import (
    LOCAL_CREDENTIALS,
    make_aws_client,
    read_or_create_token_kms_key,
)
from localdev.simulators import CLIENT_ID, CLIENT_SECRET, Simulators
from localdev.simulators.google.server import GOOGLE_CLIENT_ID
from localdev.simulators.service import ORGANISATION_TENANT_ID
from mailsync.log import logger
from mailsync.model import AccountId, ProviderName, RunRef
from mailsync.settings import Settings, load_settings
from mailsync.store.connection import Database, connect, open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.sync.mailbox import open_encryption_vault
from tests.api.api_server import ApiServer
from tests.api.conformance import documented, pattern
from tests.api.requests import Api, ApiResponse, Sql, a_request, call
from tests.api.sign_in import ANN, BO, INBOX, SignIn
from tests.api.subscriptions import Subscribed
from tests.api.syncs import begin_sync
from tests.conftest import TEMPLATE
from tests.providers.simulators.subscriber import Subscriber

Connect = Callable[..., AccountId]

WAITS = {"StartAt": "wait", "States": {"wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}

_make_client = boto3.client


@cache
def _client(service: str, *_: tuple[str, str]) -> Any:
    return _make_client(service)


def _client_of_environment(service: str, **options: Any) -> Any:
    """Make one client for the tests with the same settings: it takes longer than a request."""
    if options:
        return _make_client(service, **options)
    return _client(service, *sorted(each for each in os.environ.items() if each[0][:4] == "AWS_"))


@pytest.fixture(scope="session")
def step_functions(aws_url: str) -> Any:
    return make_aws_client("stepfunctions", aws_url)


@pytest.fixture(scope="session")
def kms(aws_url: str) -> Any:
    return make_aws_client("kms", aws_url)


@pytest.fixture(scope="session")
def token_key_arn(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def environment(
    database_url: str, aws_url: str, step_functions: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    """Sets the environment of a function; the process forgets its settings afterwards."""
    settings = {**_stage_settings(aws_url, step_functions), "DATABASE_URL": database_url}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "client", _client_of_environment)
    _forget()
    yield monkeypatch
    _forget()


@pytest.fixture(scope="session")
def server(
    *,
    create_database: Callable[[str], str],
    aws_url: str,
    step_functions: Any,
    simulators: Simulators,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ApiServer]:
    """For tests of the xdist group `api_server` only: one process starts it for all."""
    logs = tmp_path_factory.mktemp("api_server")
    settings = {
        **_stage_settings(aws_url, step_functions),
        "MICROSOFT_TENANTS": ORGANISATION_TENANT_ID,
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
    simulators.find_or_create_mailbox(ANN)
    settings |= _provider_settings(
        simulators, read_or_create_token_kms_key(aws_url, logs / "key.json").arn
    )
    with ApiServer(create_database(TEMPLATE), settings, logs) as server:
        yield server


@pytest.fixture
def api(environment: pytest.MonkeyPatch) -> Api:
    """Sends a request to the function of its route; those of `connect` need `microsoft`."""

    def send(route: str, **parts: Any) -> ApiResponse:
        served_by = [
            each.function_name for each in ROUTES if pattern(each.route_key).fullmatch(route)
        ]
        module = import_module(f"handlers.{served_by[0] if served_by else 'api'}")
        return documented(route, call(module.handler, a_request(route, **parts)))

    return send


@pytest.fixture(scope="session")
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    with Simulators(tmp_path_factory.mktemp("simulators")) as running:
        yield running


@pytest.fixture
def microsoft(
    environment: pytest.MonkeyPatch, simulators: Simulators, token_key_arn: str
) -> Iterator[Simulators]:
    """Ann and Bo have mailboxes there, and the functions of this process use it."""
    for address in (ANN, BO):
        simulators.find_or_create_mailbox(address)
    for name, value in _provider_settings(simulators, token_key_arn).items():
        environment.setenv(name, value)
    defaults = simulators.service.behaviour
    yield simulators
    simulators.service.behaviour = defaults
    for kept in (simulators.service.faults, simulators.service.token_faults):
        kept.remove_all_rules()
    simulators.service.log.clear()
    for each in simulators.notifier.list_active_subscriptions():
        simulators.notifier.make_subscriptions_expire_now(each["mailbox_id"])


@pytest.fixture
def google(microsoft: Simulators) -> Iterator[Simulators]:
    """Ann and Bo have Gmail mailboxes, and the functions of this process use this Google."""
    simulated = microsoft.google
    defaults = simulated.behaviour
    yield microsoft
    simulated.behaviour = defaults
    simulated.consents.delete_all_consents()


@pytest.fixture
def subscriber(environment: pytest.MonkeyPatch) -> Iterator[Subscriber]:
    """Where the provider sends notifications."""
    subscriber = Subscriber()
    environment.setenv("PUBLIC_URL", subscriber.url.removesuffix("/hook"))
    environment.setenv("MICROSOFT_TENANTS", ORGANISATION_TENANT_ID)
    yield subscriber
    subscriber.stop()


@pytest.fixture
def mailbox(api: Api, microsoft: Simulators, subscriber: Subscriber, sql: Sql) -> Subscribed:
    """Ann's, not connected yet, at a provider that can reach this stage."""
    return Subscribed(microsoft, subscriber, api, sql)


@pytest.fixture
def begun(api: Api, microsoft: Simulators) -> SignIn:
    return SignIn(api, microsoft)


@pytest.fixture
def consent(begun: SignIn) -> dict[str, str]:
    """The query with which Ann's browser comes back."""
    return begun.consent()


@pytest.fixture
def connected(begun: SignIn, consent: dict[str, str]) -> ApiResponse:
    """Ann's mailbox is connected; the response to her browser."""
    return begun.come_back(consent)


@pytest.fixture
def connect_account(database: Database) -> Connect:
    """Connects a mailbox; Ann's at Microsoft by default."""
    return partial(
        CredentialStore(database).connect_account,
        user_id="ann",
        provider=ProviderName("microsoft"),
        provider_account_id="uid.utid",
        email_address="ann@example.org",
    )


@pytest.fixture
def account_id(connect_account: Connect) -> AccountId:
    """Ann's mailbox, not synced yet; modules that need another one define it anew."""
    return connect_account()


@pytest.fixture
def run(api: Api, account_id: AccountId, database: Database) -> RunRef:
    """Ann's sync, which has begun."""
    return begin_sync(api, account_id, database)


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


def _provider_settings(provider: Simulators, token_key_arn: str) -> dict[str, str]:
    return {
        "GRAPH_URL": provider.graph_url,
        "MICROSOFT_AUTHORITY": provider.entra_authority_url,
        "MICROSOFT_CLIENT_SECRET": CLIENT_SECRET,
        "GMAIL_URL": provider.gmail_url,
        "GOOGLE_IDENTITY_URL": provider.google.base_url,
        "GOOGLE_CLIENT_SECRET": provider.google.client_secret,
        "CA_BUNDLE": str(provider.ca_bundle),
        "TOKEN_KEY_ARN": token_key_arn,
    }


def _stage_settings(aws_url: str, step_functions: Any) -> dict[str, str]:
    """Of a stage that syncs mailboxes of every provider and whose machines are new, so that no
    execution of another test is counted."""
    settings = {**LOCAL_CREDENTIALS, "AWS_ENDPOINT_URL": aws_url, "APP_INBOX_URL": INBOX}
    settings["MICROSOFT_CLIENT_ID"] = CLIENT_ID
    settings["GOOGLE_CLIENT_ID"] = GOOGLE_CLIENT_ID
    settings["IMAP_SERVERS"] = "localhost:1"  # nothing listens there
    for name in ("MAILBOX_SYNC_ARN", "TEST_SYNC_ARN"):
        created = step_functions.create_state_machine(
            name=str(uuid4()),
            definition=json.dumps(WAITS),
            roleArn="arn:aws:iam::123456789012:role/workflow",
        )
        settings[name] = created["stateMachineArn"]
    return settings


def _forget() -> None:
    if load_settings.cache_info().currsize and open_database.cache_info().currsize:
        open_database().close()
    open_encryption_vault.cache_clear()
    open_database.cache_clear()
    load_settings.cache_clear()
