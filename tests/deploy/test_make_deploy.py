"""`make deploy`: from a settings file to a stage that works, in steps that can be repeated."""

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from infra.deploy import stage_database, stage_health
from infra.deploy.__main__ import deploy
from infra.deploy.aws_account import AwsAccount, read_current_aws_account
from infra.deploy.failure import DeploymentFailed
from infra.deploy.stage_health import run_self_test, wait_for_health
from infra.deploy.steps import Deployment
from infra.settings import StageSettings
from tests.deploy import synthesis
from tests.deploy.aws_double import AwsDouble, aws_double
from tests.deploy.deployments import STATE, SYNC, Office, an_api
from tests.store.cluster import Cluster

BOOTSTRAP = "bootstrap aws://123456789012/eu-west-1"
DEPLOY = [f"deploy {STATE}", f"deploy {SYNC}"]
HEALTHY = (200, b'{"status":"ok"}')
IS_WRITER = "SELECT pg_has_role('mailsync_functions', 'mailsync_writer', 'USAGE')"
FUNCTION = "handlers.mark_syncing.handler"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsDouble]:
    with aws_double(monkeypatch) as double:
        yield double


@pytest.fixture
def office(
    aws: AwsDouble,
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Office]:
    """Its database is empty, and has no login for the functions."""
    monkeypatch.setattr(stage_database, "LOOPBACK_HOSTS", ())  # this Lambda could reach it
    office = Office(aws, tmp_path, monkeypatch, capsys)
    office.secrets["MIGRATION_DATABASE_URL"] = cluster.create(
        "mine", owner="me", attributes="CREATEROLE"
    )
    office.secrets["DATABASE_URL"] = cluster.url("mailsync_functions", "mine", password="p$w'd")
    with an_api(HEALTHY) as url:
        monkeypatch.setenv("API_URL", url)
        yield office


def test_a_settings_file_becomes_a_stage_that_works(
    office: Office, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after an interruption: the second run continues, and repeats no change."""
    monkeypatch.setenv("CDK_FAILS_AT", SYNC)
    interrupted = office.deploy()
    monkeypatch.delenv("CDK_FAILS_AT")
    code, printed = office.deploy()

    assert (interrupted[0], f"`cdk deploy {SYNC}` failed" in interrupted[1]) == (1, True)
    assert (code, office.calls) == (0, [BOOTSTRAP, *DEPLOY, *DEPLOY]), printed
    assert "Secrets written: none" in printed
    assert "Migrations applied: none" in printed
    assert "redirect URI https://apiendpoint.test/api/auth/microsoft/callback" in printed
    outputs = json.loads((office.folder / "outputs.prod.json").read_text())
    assert office.aws.secret(outputs, "Database")["DATABASE_URL"] == office.secrets["DATABASE_URL"]
    assert len(office.aws.secret(outputs, "ApplicationKey")["JWT_SECRET"]) == 64
    assert cluster.run(IS_WRITER) == [[True]]
    _require_update_of_one_secret(office)


def test_an_interrupted_deployment_says_how_it_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: Deployment) -> dict[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Deployment, "deploy_stage", interrupt)
    code, printed = office.deploy()

    assert (code, "Run the command again: it continues." in printed) == (130, True)


def _require_update_of_one_secret(office: Office) -> None:
    """The other secrets, which the file no longer has, keep their values; functions restart."""
    before, outputs = office.environment(FUNCTION), office.aws.outputs(STATE)
    office.secrets = {"MICROSOFT_CLIENT_SECRET": "renewed"}

    code, printed = office.deploy()

    assert (code, "Secrets written: ProviderLogins." in printed) == (0, True), printed
    assert office.aws.secret(outputs, "ProviderLogins")["MICROSOFT_CLIENT_SECRET"] == "renewed"
    assert office.aws.secret(outputs, "Migration")["MIGRATION_DATABASE_URL"]
    assert office.environment(FUNCTION)["SETTINGS_VERSION"] != before["SETTINGS_VERSION"]


def test_functions_get_no_secret_of_a_database_that_is_not_ready(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Functions that run already read a new secret at once."""
    secrets = office.aws.client("secretsmanager")
    outputs = {"DatabaseSecretArn": secrets.create_secret(Name="url", SecretString="{}")["ARN"]}
    monkeypatch.setattr(Deployment, "_deploy_state", lambda *_: outputs)
    monkeypatch.setattr(stage_database, "build_lambda_login_creation_sql", lambda _: "SELECT 1")
    code, printed = office.deploy()

    assert (code, "The database was not prepared" in printed) == (1, True), printed
    assert office.aws.secret(outputs, "Database") == {}


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (OSError(28, "No space left on device"), 1, "No space left on device. Correct the cause"),
        (CalledProcessError(2, ["uv", "pip", "install"]), 1, "Correct the cause and run"),
    ],
)
def test_whatever_stops_a_deployment_ends_in_a_sentence(
    error: BaseException,
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(_: Deployment) -> dict[str, str]:
        raise error

    monkeypatch.setattr(Deployment, "deploy_stage", stop)
    stage = StageSettings(name="prod", app_inbox_url="https://app.mailsync.test/")

    assert deploy(Deployment(stage, {}, {}, lambda: ())) == code
    assert sentence in capsys.readouterr().err


@pytest.fixture
def account(aws: AwsDouble) -> AwsAccount:
    return read_current_aws_account()


def test_health_is_awaited(aws: AwsDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_health, "_POLL_INTERVAL_S", 0)
    with an_api((503, b"store-unavailable"), (200, b"no JSON"), HEALTHY) as url:
        wait_for_health(url)
    with (
        an_api((503, b"store-unavailable")) as url,
        pytest.raises(DeploymentFailed, match="reports: 503 store-unavailable"),
    ):
        wait_for_health(url, patience_s=0)


def test_a_self_test_that_fails_ends_the_deployment(aws: AwsDouble, account: AwsAccount) -> None:
    machine = aws.client("stepfunctions").create_state_machine(
        name="test-sync", definition="{}", roleArn="arn:aws:iam::123456789012:role/machine"
    )["stateMachineArn"]

    run_self_test(account, machine)
    aws.self_test = "FAILED"
    with pytest.raises(DeploymentFailed, match="FAILED: StoreUnavailable, The database is away"):
        run_self_test(account, machine)


def test_a_stage_with_its_own_database_needs_no_lookup(
    aws: AwsDouble,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command line of the CDK gets a finished assembly and can add nothing to it."""
    office = Office(aws, tmp_path, monkeypatch, capsys, stage={**synthesis.OWN_DATABASE})
    monkeypatch.setenv("CDK_FAILS_AT", STATE)
    code, printed = office.deploy()

    assert (code, office.calls) == (1, [BOOTSTRAP, f"deploy {STATE}"]), printed
    assert "missing" not in json.loads((tmp_path / "0" / "manifest.json").read_text())
