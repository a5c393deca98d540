"""What `make deploy` finds before it deploys anything: each failure is one sentence."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.deploy import cdk_cli
from infra.deploy.__main__ import main
from infra.deploy.aws_account import (
    aws_account_problems,
    aws_account_warnings,
    changed_database_kind_problems,
    missing_az_problems,
    read_current_aws_account,
)
from infra.deploy.failure import DeploymentFailed
from infra.deploy.stage_secrets import StageSecretValues, read_secrets_of_settings_file
from infra.settings import StageSettings
from tests.deploy.aws_double import REGION, AwsDouble, aws_double
from tests.deploy.synthesis import PROD
from tests.support.app_certificate import app_certificate
from tests.support.paths import ROOT

APP = {"MICROSOFT_CLIENT_SECRET": "secret of the app"}
URL = {"DATABASE_URL": "postgresql://mailsync_functions:p@db.mailsync.test/mail"}
DOMAIN = "mail.mailsync.test"
JWKS = {"jwt_jwks_url": "https://issuer.mailsync.test/keys", "jwt_audience": "inbox"}


def a_stage(**settings: object) -> StageSettings:
    return StageSettings.from_raw_stages("prod", {"prod": {**PROD, **settings}})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsDouble]:
    with aws_double(monkeypatch) as double:
        yield double


def test_the_example_is_refused_by_each_value_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    """A file of which only the part `stage` was edited is refused for its secrets."""
    assert main(["--stage", "prod", "--settings", str(ROOT / "settings.example.json")]) == 1

    printed = capsys.readouterr().err
    assert printed.count("still has the example value") == 5
    example = {
        "MICROSOFT_CLIENT_SECRET": "<the value of the client secret>",
        **URL,
        "MIGRATION_DATABASE_URL": "postgresql://postgres.PROJECT:p@aws-0.pooler.test:5432/postgres",
    }
    found = list(StageSecretValues(a_stage(), example, {}).find_problems())
    assert [each.partition(" ")[0] for each in found] == [
        "MICROSOFT_CLIENT_SECRET",
        "MIGRATION_DATABASE_URL",
    ]


@pytest.mark.parametrize(
    "password", ["PASSWORDS", "a...b", "<x>", "p-PROJECT-p", "example.com", "a%40REGION"]
)
def test_a_password_may_look_like_an_example(password: str) -> None:
    url = f"postgresql://me:{password}@db.mailsync.test:5432/mail"

    assert not list(StageSecretValues(a_stage(), {**APP, "DATABASE_URL": url}, {}).find_problems())


@pytest.mark.parametrize(
    ("sentence", "settings", "given"),
    [
        ("DATABASE_URL is missing", {}, APP),
        ("unknown field DATABASE_ULR", {}, {**APP, **URL, "DATABASE_ULR": "x"}),
        ("has no login for it", {}, URL),
        ("HS256 needs 32 bytes", {}, {**APP, **URL, "JWT_SECRET": "short"}),
        ("JWT_SECRET is empty", {}, {**APP, **URL, "JWT_SECRET": ""}),
        ("JWT_SECRET, which the stage does not use", JWKS, {**APP, **URL, "JWT_SECRET": "k" * 32}),
        ("DATABASE_URL, which the stage does not use", {"database": "aurora"}, {**APP, **URL}),
        ("DATABASE_URL still has an example", {}, {**APP, "DATABASE_URL": "postgresql://me:PASSWORD@db.mailsync.test/m"}),
        ("DATABASE_URL still has an example", {}, {**APP, "DATABASE_URL": "postgresql://me:p@db.example.com/m"}),
    ],
)  # fmt: skip
def test_a_value_of_a_secret_is_refused(
    sentence: str, settings: dict[str, object], given: dict[str, str]
) -> None:
    (found,) = StageSecretValues(a_stage(**settings), given, {}).find_problems()

    assert sentence in found


def test_a_certificate_of_the_app_is_read_before_it_is_deployed() -> None:
    def problems(pem: str) -> list[str]:
        given = {**URL, "MICROSOFT_CLIENT_CERTIFICATE": pem}
        return list(StageSecretValues(a_stage(), given, {}).find_problems())

    both = app_certificate()
    assert not problems(both)
    for half in (both.partition("-----BEGIN PRIVATE")[0], "file:/app.pem"):
        assert "must hold a certificate and its unencrypted RSA key" in problems(half)[0]


def test_values_that_the_stage_has_need_not_be_given_again() -> None:
    stored = {"Database": URL, "ProviderLogins": APP, "ApplicationKey": {"JWT_SECRET": "k" * 64}}
    values = StageSecretValues(a_stage(), {"MICROSOFT_CLIENT_SECRET": "new"}, stored)

    assert not list(values.find_problems())
    assert values.merge_file_and_deployed_values_of_secret("ProviderLogins") == {
        "MICROSOFT_CLIENT_SECRET": "new"
    }
    assert values.merge_file_and_deployed_values_of_secret("Database") == URL


SINGLE = {**URL, **APP, "MICROSOFT_CLIENT_ID": "id of the app", "JWT_SECRET": "s" * 64}
EMPTY = {
    "Settings": SINGLE,
    "Database": {"DATABASE_URL": ""},
    "ProviderLogins": {"MICROSOFT_CLIENT_SECRET": ""},
    "ApplicationKey": {"JWT_SECRET": "k" * 64},
    "Migration": {"MIGRATION_DATABASE_URL": "postgresql://owner"},
}


def test_a_stage_moves_from_its_single_secret_to_three_and_loses_nothing() -> None:
    (at_once,) = StageSecretValues(a_stage(), {}, EMPTY).find_problems()
    moving = StageSecretValues(a_stage(single_secret=True), {}, EMPTY)
    moved = {name: moving.merge_file_and_deployed_values_of_secret(name) for name in EMPTY}

    assert "Set single_secret to true for one deployment" in at_once
    assert not list(moving.find_problems())
    assert moved["Database"] == URL
    assert moved["ApplicationKey"] == {"JWT_SECRET": "s" * 64}
    assert moved["Settings"] == SINGLE
    assert moved["Migration"] == EMPTY["Migration"]
    assert not list(StageSecretValues(a_stage(), {}, moved).find_problems())
    generated = {**moved, "ApplicationKey": EMPTY["ApplicationKey"]}
    assert list(StageSecretValues(a_stage(), {}, generated).find_problems()) == [at_once]


def test_the_single_secret_keeps_a_given_value_and_no_login_of_the_owner() -> None:
    """Its values win, and every function with the database reads it."""
    given = {"DATABASE_URL": "postgresql://new", "MIGRATION_DATABASE_URL": "postgresql://owner"}
    values = StageSecretValues(a_stage(single_secret=True), given, EMPTY)

    assert values.merge_file_and_deployed_values_of_secret("Settings") == {
        **SINGLE,
        "DATABASE_URL": "postgresql://new",
    }
    without_id = a_stage(single_secret=True, microsoft_client_id=None)
    assert "microsoft_client_id" in "".join(
        StageSecretValues(without_id, {}, EMPTY).find_problems()
    )


def test_a_file_stands_for_its_text(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("\ufeffPEM\n")
    (tmp_path / "empty.pem").write_text("\n")
    settings = tmp_path / "settings.json"

    def read(secrets: object) -> dict[str, str]:
        settings.write_text(json.dumps({"stage": {}, "secrets": secrets}))
        return read_secrets_of_settings_file(settings)

    assert read({"DATABASE_CA_BUNDLE": "file://ca.pem", "A": " b "}) == {
        "DATABASE_CA_BUNDLE": "PEM\n",
        "A": "b",
    }
    with pytest.raises(ValueError, match="DATABASE_CA_BUNDLE names a file that cannot be read"):
        read({"DATABASE_CA_BUNDLE": "file://none.pem"})
    with pytest.raises(ValueError, match="DATABASE_CA_BUNDLE names a file that is empty"):
        read({"DATABASE_CA_BUNDLE": "file://empty.pem"})
    with pytest.raises(ValueError, match="must be an object of texts"):
        read(["DATABASE_URL"])


@pytest.mark.parametrize(
    ("sentence", "variables"),
    [
        ("No AWS region is set", {"AWS_REGION": None, "AWS_DEFAULT_REGION": None}),
        ("There are no AWS credentials", {"AWS_ACCESS_KEY_ID": None}),
        ("There is no way to AWS", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}),
        ("There is no way to AWS", {"AWS_PROFILE": "none"}),
    ],
)
def test_there_is_no_account(
    aws: AwsDouble, monkeypatch: pytest.MonkeyPatch, sentence: str, variables: dict[str, str | None]
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    for name, value in variables.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)

    with pytest.raises(DeploymentFailed, match=sentence):
        read_current_aws_account()


def test_reserved_concurrency_needs_a_quota(aws: AwsDouble) -> None:
    reserving = a_stage(reserved_concurrency={"sync-folder": 20})
    account = read_current_aws_account()

    assert not list(aws_account_problems(account, reserving))
    aws.concurrency = 119
    assert "a quota of at least 120" in next(aws_account_problems(account, reserving))
    assert not list(aws_account_problems(account, a_stage()))
    assert not list(aws_account_warnings(account))
    aws.concurrency = 10
    assert "at most 10 Lambda functions at once" in next(aws_account_warnings(account))


def test_a_certificate_must_be_issued_in_the_region(aws: AwsDouble) -> None:
    account, requested = read_current_aws_account(), aws.client("acm")
    arn = requested.request_certificate(DomainName=DOMAIN)["CertificateArn"]
    elsewhere = arn.replace(REGION, "us-east-1")

    def problem(certificate: str, domain: str = DOMAIN) -> str:
        stage = a_stage(domain_name=domain, certificate_arn=certificate)
        return "".join(aws_account_problems(account, stage))

    assert "has the status PENDING_VALIDATION" in problem(arn)
    assert "request one in the region of the stage" in problem(elsewhere)
    assert "does not show the certificate" in problem(f"{arn[:-1]}-")
    assert f"is for {DOMAIN}, not for the domain_name api.{DOMAIN}" in problem(arn, f"api.{DOMAIN}")
    wildcard = requested.request_certificate(DomainName=f"*.{DOMAIN}")["CertificateArn"]
    assert "not for the domain_name" not in problem(wildcard, f"api.{DOMAIN}")


def test_alarms_notify_a_topic_of_their_region(aws: AwsDouble) -> None:
    account = read_current_aws_account()
    here = f"arn:aws:sns:{REGION}:111122223333:pager"

    assert not list(aws_account_problems(account, a_stage(alarm_topic_arn=here)))
    (found,) = aws_account_problems(
        account, a_stage(alarm_topic_arn=here.replace(REGION, "us-east-1"))
    )
    assert "alarm_topic_arn is a topic in us-east-1" in found


def subnets(*zones: dict[str, object]) -> str:
    listed = {str(at): {"Type": "AWS::EC2::Subnet", "Properties": z} for at, z in enumerate(zones)}
    return json.dumps({"Resources": {"key": {"Type": "AWS::KMS::Key"}, **listed}})


def test_the_zones_of_the_network_must_exist(aws: AwsDouble, tmp_path: Path) -> None:
    account, template = read_current_aws_account(), tmp_path / "template.json"
    zones = aws.client("ec2").describe_availability_zones()["AvailabilityZones"]
    ids: list[dict[str, object]] = [{"AvailabilityZoneId": each["ZoneId"]} for each in zones]
    places: list[dict[str, object]] = [
        {"AvailabilityZone": {"Fn::Select": [str(at), {"Fn::GetAZs": ""}]}} for at in range(9)
    ]

    def problem(*of: dict[str, object]) -> str:
        template.write_text(subnets(*of))
        return "".join(missing_az_problems(account, template))

    assert problem() == problem(*ids) == problem(*places[: len(zones)]) == ""
    assert "no availability zones use1-az3 in eu-west-1" in problem(
        *ids, {"AvailabilityZoneId": "use1-az3"}
    )
    assert "needs 9 availability zones" in problem(*places)


def test_a_stage_keeps_its_kind_of_database() -> None:
    own, external = {"DatabaseArn": "arn"}, {"DatabaseSecretArn": "arn"}

    assert 'has the database "aurora"' in next(changed_database_kind_problems(a_stage(), own))
    assert not list(changed_database_kind_problems(a_stage(), external))
    assert not list(changed_database_kind_problems(a_stage(), {}))
    assert not list(changed_database_kind_problems(a_stage(database="aurora"), own))


def test_a_machine_without_node_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JSII_NODE", "/none/node")
    monkeypatch.setenv("PATH", "/none")

    with pytest.raises(DeploymentFailed, match=r"There is no Node.js \(node\)"):
        cdk_cli.find_or_install_cdk_command()


def test_npm_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    a_repository(tmp_path, monkeypatch, "exit 1")

    with pytest.raises(DeploymentFailed, match="npm could not install"):
        cdk_cli.find_or_install_cdk_command(tmp_path)


def a_repository(folder: Path, patch: pytest.MonkeyPatch, npm: str) -> None:
    """One that pins version 2 of the command line, and programs of this script."""
    (folder / "package.json").write_text('{"devDependencies": {"aws-cdk": "2"}}')
    for name in ("node", "npm"):
        (folder / name).write_text(f"#!/bin/sh\n{npm}\n")
        (folder / name).chmod(0o755)
    patch.setenv("JSII_NODE", str(folder / "node"))
    patch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    "installed",
    [
        None,
        '{"packages": {"node_modules/aws-cdk": {"version": "1"}}}',  # of the release before
    ],
)
def test_the_pinned_command_line_is_installed_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: str | None
) -> None:
    """An interrupted installation has the program and not the list."""
    program = tmp_path / "node_modules/aws-cdk/bin/cdk"
    program.parent.mkdir(parents=True)
    program.touch()
    listed = tmp_path / "node_modules/.package-lock.json"
    if installed:
        listed.write_text(installed)
    packages = '{"packages": {"node_modules/aws-cdk": {"version": "2"}}}'
    a_repository(tmp_path, monkeypatch, f"echo '{packages}' > {listed}; echo >> {tmp_path}/calls")

    for _ in range(2):
        assert cdk_cli.find_or_install_cdk_command(tmp_path)[1] == str(program)
    assert (tmp_path / "calls").read_text() == "\n"


def test_the_node_of_the_virtual_environment_brings_npm() -> None:
    command = cdk_cli.find_npm_command(os.environ["JSII_NODE"])

    ran = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip().count(".")) == (0, 2), ran.stderr
