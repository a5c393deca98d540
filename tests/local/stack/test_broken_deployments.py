"""Each broken deployment of docs/troubleshooting.md, broken here, is seen as the page says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localdev.demo_account import connect
from localdev.stack import FUNCTIONS_DATABASE_LOGIN_NAME
from tests.local.mirror import Mirror
from tests.local.stack.broken_deployment import BrokenDeployment, sections
from tests.store.cluster import Cluster

pytestmark = pytest.mark.long

DATABASE = "postgresql://{}@127.0.0.1:{{port}}/empty"
ARN = "arn:aws:{}:eu-central-1:123456789012:{}"
BROKEN_SETTINGS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "The JWT key is not the application's": (
        ("authorize",),
        {"JWT_SECRET": "another key than that of the application"},
    ),
    "No JWT key is set": (("authorize",), {"JWT_SECRET": ""}),
    "The settings secret cannot be read": (
        ("api",),
        {"SETTINGS_SECRET_ARN": ARN.format("secretsmanager", "secret:nowhere")},
    ),
    "The database does not answer": (
        ("api", "validate-account"),
        {"DATABASE_URL": "postgresql://mailsync@127.0.0.1:1/mail"},
    ),
    "The database takes no more connections": (
        ("api",),
        {"DATABASE_URL": DATABASE.format("crowded:right")},
    ),
    "The database's URL cannot be read": (
        ("api",),
        {"DATABASE_URL": "postgresql://me:pass@word@db.example.org/x"},
    ),
    "The database refuses the login": (
        ("api",),
        {"DATABASE_URL": DATABASE.format("functions:wrong")},
    ),
    "The schema is missing or old": (
        ("api",),
        {"DATABASE_URL": DATABASE.format("functions:right")},
    ),
    # What a missing permission looks like too: the local endpoint does not judge roles.
    "Step Functions refuses": (
        ("api",),
        {"MAILBOX_SYNC_ARN": ARN.format("states", "stateMachine:nowhere")},
    ),
    "The token key refuses": (
        ("get-access-token",),
        {"TOKEN_KEY_ARN": ARN.format("kms", "key/00000000-0000-0000-0000-000000000000")},
    ),
    "The app's secret is wrong": (
        ("get-access-token",),
        {"MICROSOFT_CLIENT_CERTIFICATE": "", "MICROSOFT_CLIENT_SECRET": "not the app's"},
    ),
    "The provider cannot be reached": (
        ("sync-folders", "reach-provider"),
        {"GRAPH_URL": "http://127.0.0.1:1/v1.0"},
    ),
}


@pytest.fixture
def deployment(mirror: Mirror) -> Iterator[BrokenDeployment]:
    mirror.finished()
    yield BrokenDeployment(mirror)
    if mirror.account.status()["runId"]:
        mirror.request("DELETE", "/api/email/sync", params={"accountId": mirror.account.id})


@pytest.fixture(scope="module")
def port(mirror: Mirror) -> int:
    """Of the stack's server, with a database that has no schema, and logins with a password."""
    postgres, port = mirror.stack.postgres_server, mirror.stack.options.database_port
    assert postgres is not None
    assert port is not None
    Cluster(postgres, port).run(
        "CREATE DATABASE empty",
        "CREATE ROLE functions LOGIN PASSWORD 'right'",
        "CREATE ROLE crowded LOGIN CONNECTION LIMIT 0 PASSWORD 'right'",
    )
    return port


@pytest.mark.parametrize("title", BROKEN_SETTINGS)
def test_a_broken_setting_is_seen_as_the_page_says(
    deployment: BrokenDeployment, port: int, title: str
) -> None:
    functions, settings = BROKEN_SETTINGS[title]
    filled = {name: value.format(port=port) for name, value in settings.items()}

    with deployment.deployed_with(*functions, **filled):
        seen = deployment.seen(title)

    assert seen == sections()[title]


def test_a_database_that_cannot_be_written(deployment: BrokenDeployment, mirror: Mirror) -> None:
    title = "The database is read-only"
    mirror.rows(
        f"ALTER ROLE {FUNCTIONS_DATABASE_LOGIN_NAME} SET default_transaction_read_only = on"
    )
    with deployment.deployed_with("api", "start-due-syncs"):
        seen = deployment.seen(title)
        mirror.rows(
            f"ALTER ROLE {FUNCTIONS_DATABASE_LOGIN_NAME} RESET default_transaction_read_only"
        )

    assert seen == sections()[title]


def test_an_app_whose_secret_has_expired(deployment: BrokenDeployment, mirror: Mirror) -> None:
    title = "The app's secret has expired"
    mirror.control("POST", "switches", app_secret_expired=True)
    with deployment.deployed_with("get-access-token", MICROSOFT_CLIENT_CERTIFICATE=""):
        seen = deployment.seen(title)
    mirror.control("POST", "switches", app_secret_expired=False)

    assert seen == sections()[title]


def test_a_grant_that_was_withdrawn(deployment: BrokenDeployment, mirror: Mirror) -> None:
    title = "A person has withdrawn the grant"
    mirror.simulate("revoke")
    seen = deployment.seen(title)
    connect(mirror.stack.api_url, mirror.stack.provider, mirror.stack.token())

    assert seen == sections()[title]


def test_the_page_has_no_broken_deployment_that_is_not_tried() -> None:
    tried = Path(__file__).read_text()

    assert sections()
    assert [each for each in sections() if f'"{each}"' not in tried] == []


def test_a_deployment_that_was_mended_works_at_once(mirror: Mirror) -> None:
    assert mirror.synced()["status"] == "completed"
