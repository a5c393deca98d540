"""Each broken deployment of docs/troubleshooting.md, broken here, is seen as the page says."""

from pathlib import Path

import pytest

from localdev.demo_account import connect
from localdev.stack import FUNCTIONS_LOGIN
from tests.local.mirror import Mirror
from tests.local.stack.broken_deployment import BrokenDeployment, sections
from tests.store.cluster import Cluster

NOWHERE = "postgresql://mailsync@127.0.0.1:1/mail"
SYNC = ("POST", "/api/email/sync")
EXPIRE = "UPDATE mailsync.email_credentials SET access_expires_at = now() RETURNING 1"


@pytest.fixture
def deployment(mirror: Mirror) -> BrokenDeployment:
    mirror.finished()
    return BrokenDeployment(mirror)


@pytest.fixture(scope="module")
def server(mirror: Mirror) -> Cluster:
    """The stack's server, with a database that has no schema, and a login with a password."""
    postgres, port = mirror.stack.postgres, mirror.stack.options.database_port
    assert postgres is not None
    assert port is not None
    cluster = Cluster(postgres, port)
    cluster.run("CREATE ROLE functions LOGIN PASSWORD 'right'", "CREATE DATABASE empty")
    return cluster


def test_a_wrong_jwt_key(deployment: BrokenDeployment) -> None:
    with deployment.deployed_with(
        "authorize", JWT_SECRET="another key than that of the application"
    ):
        response, log = deployment.response(*SYNC), deployment.log("authorize")

    assert sections()["The JWT key is not the application's"] == [response, log]


def test_no_jwt_key(deployment: BrokenDeployment) -> None:
    event = {"headers": {"authorization": "Bearer x"}}
    with deployment.deployed_with("authorize", JWT_SECRET=""):
        response, error = deployment.response(*SYNC), deployment.function("authorize", event)

    assert sections()["No JWT key is set"] == [response, error]


def test_a_secret_that_cannot_be_read(deployment: BrokenDeployment) -> None:
    nowhere = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:nowhere"
    with deployment.deployed_with("api", SETTINGS_SECRET_ARN=nowhere):
        response, log = deployment.response("GET", "/api/health"), deployment.log("api")

    assert sections()["The settings secret cannot be read"] == [response, log]


def test_a_database_that_does_not_answer(deployment: BrokenDeployment, mirror: Mirror) -> None:
    with deployment.deployed_with("api", "validate-account", DATABASE_URL=NOWHERE):
        response, log = deployment.response(*SYNC), deployment.log("api")
        error = deployment.function("validate-account", {"accountId": mirror.account.id})

    assert sections()["The database does not answer"] == [response, log, error]


def test_a_database_that_cannot_be_written(deployment: BrokenDeployment, mirror: Mirror) -> None:
    mirror.rows(f"ALTER ROLE {FUNCTIONS_LOGIN} SET default_transaction_read_only = on")
    with deployment.deployed_with("api", "start-due-syncs"):
        response, log = deployment.response("GET", "/api/health"), deployment.log("api")
        error = deployment.function("start-due-syncs")
        mirror.rows(f"ALTER ROLE {FUNCTIONS_LOGIN} RESET default_transaction_read_only")

    assert sections()["The database is read-only"] == [response, log, error]


def test_a_database_without_a_free_connection(
    deployment: BrokenDeployment, server: Cluster
) -> None:
    server.run("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0 PASSWORD 'right'")
    url = server.url("crowded", "empty", password="right")
    with deployment.deployed_with("api", DATABASE_URL=url):
        response, log = deployment.response(*SYNC), deployment.log("api")

    assert sections()["The database takes no more connections"] == [response, log]


def test_a_url_that_cannot_be_read(deployment: BrokenDeployment) -> None:
    with deployment.deployed_with("api", DATABASE_URL="postgresql://me:pass@word@db.example.org/x"):
        response, log = deployment.response("GET", "/api/health"), deployment.log("api")

    assert sections()["The database's URL cannot be read"] == [response, log]


def test_a_wrong_password(deployment: BrokenDeployment, server: Cluster) -> None:
    url = server.url("functions", "empty", password="wrong")
    with deployment.deployed_with("api", DATABASE_URL=url):
        response, log = deployment.response(*SYNC), deployment.log("api")

    assert sections()["The database refuses the login"] == [response, log]


def test_a_database_without_the_schema(deployment: BrokenDeployment, server: Cluster) -> None:
    url = server.url("functions", "empty", password="right")
    with deployment.deployed_with("api", DATABASE_URL=url):
        health, response = deployment.response("GET", "/api/health"), deployment.response(*SYNC)
        log = deployment.log("api")

    assert sections()["The schema is missing or old"] == [health, response, log]


def test_a_state_machine_that_is_not_there(deployment: BrokenDeployment, mirror: Mirror) -> None:
    """What a missing permission looks like too: the local endpoint does not judge roles."""
    machine = mirror.stack.lambdas.settings["MAILBOX_SYNC_ARN"].replace("mailbox", "no-mailbox")
    with deployment.deployed_with("api", MAILBOX_SYNC_ARN=machine):
        response, log = deployment.response(*SYNC), deployment.log("api")
    # The run is queued; here the next request starts it, there the clock.
    mirror.account.sync()
    mirror.finished()

    assert sections()["Step Functions refuses"] == [response, log]


def test_a_key_that_is_not_there(deployment: BrokenDeployment) -> None:
    nowhere = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    with deployment.deployed_with("get-access-token", TOKEN_KEY_ARN=nowhere):
        run, log = deployment.run(), deployment.log("mark-failed")

    assert sections()["The token key refuses"] == [run, log]


@pytest.mark.parametrize(
    ("title", "secret", "expired"),
    [
        ("The app's secret is wrong", "not the app's", False),
        ("The app's secret has expired", None, True),
    ],
)
def test_an_app_that_may_not_sign_in(
    title: str, secret: str | None, expired: bool, deployment: BrokenDeployment, mirror: Mirror
) -> None:
    known = mirror.stack.provider.client_secret
    mirror.rows(EXPIRE)
    mirror.control("POST", "switches", app_secret_expired=expired)
    with deployment.deployed_with(
        "get-access-token",
        MICROSOFT_CLIENT_CERTIFICATE="",
        MICROSOFT_CLIENT_SECRET=secret or known,
    ):
        run, log = deployment.run(), deployment.log("mark-failed")
    mirror.control("POST", "switches", app_secret_expired=False)

    assert sections()[title] == [run, log]


def test_a_grant_that_was_withdrawn(deployment: BrokenDeployment, mirror: Mirror) -> None:
    mirror.rows(EXPIRE)
    mirror.simulate("revoke")
    run, log = deployment.run(), deployment.log("mark-failed")
    response = deployment.response(*SYNC)
    connect(mirror.stack.api_url, mirror.stack.provider, mirror.stack.token())
    mirror.finished()

    assert sections()["A person has withdrawn the grant"] == [run, log, response]


def test_a_provider_that_cannot_be_reached(deployment: BrokenDeployment, mirror: Mirror) -> None:
    nowhere = "http://127.0.0.1:1/v1.0"
    with deployment.deployed_with("sync-folders", "reach-provider", GRAPH_URL=nowhere):
        error = deployment.function("reach-provider")
        mirror.account.sync()
        seen = deployment.failing_state()
        log = deployment.log("sync-folders")
    mirror.finished()

    assert sections()["The provider cannot be reached"] == [error, seen, log]


def test_the_page_has_no_broken_deployment_that_nobody_tries() -> None:
    tried = Path(__file__).read_text()

    assert sections()
    assert [each for each in sections() if f'"{each}"' not in tried] == []


def test_a_deployment_that_was_mended_works_at_once(mirror: Mirror) -> None:
    assert mirror.synced()["status"] == "completed"
