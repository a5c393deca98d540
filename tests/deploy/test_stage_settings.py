"""Invalid settings of a stage are refused, risky ones are warned of."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from infra.settings import StageSettings, read_stage_part_of_settings_file
from tests.deploy import synthesis
from tests.support.paths import ROOT

CDK_JSON = ROOT / "cdk.json"
INBOX = "https://app.mailsync.test/inbox"


def test_every_stage_of_cdk_json_is_valid() -> None:
    stages = json.loads(CDK_JSON.read_text())["context"]["stages"]

    assert "dev" in stages
    assert not any("reserved_concurrency" in each for each in stages.values())
    for name in stages:
        assert StageSettings.from_raw_stages(name, stages).name == name


def test_a_stage_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"'tset' is not in cdk.json; it has \['test'\]"):
        StageSettings.from_raw_stages("tset", {"test": {"app_inbox_url": INBOX}})


GOOGLE_PUSH = {
    "google_pubsub_topic": "projects/my-project/topics/mail",
    "google_push_service_account": "push@my-project.iam.gserviceaccount.com",
    "google_push_audience": "https://mail.mailsync.test/api/webhooks/google",
}
TOPIC = "arn:aws:sns:eu-west-1:111122223333:pager"
CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/6e1b0d2c-1c1f"
DOMAIN = {"domain_name": "mail.mailsync.test", "certificate_arn": CERTIFICATE}
GUID = "0a1b2c3d-0000-4000-8000-000000000001"


def a_stage(**values: object) -> StageSettings:
    return StageSettings.from_raw_stages("test", {"test": {"app_inbox_url": INBOX, **values}})


@pytest.mark.parametrize(
    ("named", "values"),
    [
        ("grahp_url", {"grahp_url": "x"}),
        ("architecture", {"architecture": "riscv"}),
        ("sync-foldr", {"reserved_concurrency": {"sync-foldr": 10}}),
        *(
            ("cors_origins", {"cors_origins": [each]})
            for each in ("*", "app.mailsync.test", "https://app.mailsync.test/inbox")
        ),
        ("log_level", {"log_level": "LOUD"}),
        ("database", {"database": "oracle"}),
        ("aurora_min_acu", {"aurora_min_acu": 0}),
        ("aurora_max_acu", {"aurora_min_acu": 4, "aurora_max_acu": 2}),
        ("multiples", {"aurora_max_acu": 1.3}),
        *(
            ("aurora_zone_ids", {"aurora_zone_ids": each})
            for each in (
                ["euw1-az1", "euw1-az2"],
                ["euw1-az1", "euw1-az2", "euw1-az2"],
                ["use1-az1", "use1-az2", "use1-az3"],
                ["use1-az1", "use1-az2", "euw1-az1"],
                ["eu-west-1a", "eu-west-1b", "eu-west-1c"],
                "euw1-az1",
            )
        ),
        ("not both", {"alarm_email": "ops@mailsync.test", "alarm_topic_arn": TOPIC}),
        ("need each other", {"domain_name": "mail.mailsync.test"}),
        ("need each other", {"certificate_arn": CERTIFICATE}),
        *(("need each other", {each: value}) for each, value in GOOGLE_PUSH.items()),
        ("not both", {**DOMAIN, "public_url": "https://mail.mailsync.test"}),
    ],
)
def test_an_invalid_setting_is_refused_by_name(named: str, values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=named):
        a_stage(**values)


JWKS = "https://issuer.mailsync.test/.well-known/jwks.json"


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        *((each, "https://h.mailsync.test/x", ["http://h.mailsync.test", "h.mailsync.test", 1])
          for each in ("graph_url", "microsoft_authority", "public_url")),
        ("app_inbox_url", INBOX, ["http://app.mailsync.test/", "app.mailsync.test", ""]),
        ("app_inbox_url", "inbox-app://connected", []),
        ("app_inbox_url", "http://localhost:3000/", []),
        ("alarm_email", "ops@mailsync.test", ["ops", "ops@mailsync", "a@b.c, d@e.f"]),
        ("alarm_topic_arn", TOPIC, ["pager", "arn:aws:sqs:eu-west-1:111122223333:pager"]),
        ("microsoft_client_id", GUID, ["my app", GUID[:-1]]),
        ("microsoft_tenants", f"{GUID}, {GUID}", ["mailsync.test", f"{GUID},", [GUID]]),
        ("google_client_id", "1-a.apps.googleusercontent.com", ["1-a", GUID]),
        ("imap_servers", "public", ["all", "imap.mailsync.test", "", "a:0", ["public"], 993]),
        ("imap_servers", "public, imap.mailsync.test:993,a:1993", []),
        ("cors_origins", ["https://a.mailsync.test"], ["https://a.mailsync.test", ["*"]]),
        ("reserved_concurrency", {"sync-accounts": 20}, [{"sync-accounts": "20"}, 20]),
        ("api_limits", "sync=600", ["sync", "sync=0", "sink=1", 600]),
        ("log_retention", "THREE_MONTHS", ["3 months", "THREE"]),
        ("aurora_max_acu", 16, ["16", True]),
        ("gmail_units_per_minute", 15_000, ["15000", 0, 1.5, True, 10**9]),
        ("gmail_project_units_per_minute", 2_400_000, ["many", -1]),
        ("settings_version", "2", [2]),
        # As text, "false" would be true.
        *((each, False, ["false", 0]) for each in (
            "schedule_enabled", "confirm_connections", "log_source_ip", "single_secret")),
    ],
)  # fmt: skip
def test_the_form_of_each_setting_is_checked(name: str, valid: object, invalid: list[Any]) -> None:
    assert getattr(a_stage(**{name: valid}), name) == valid
    for value in invalid:
        with pytest.raises(ValueError, match=f"^Stage 'test': {name} must be [^\n]+$"):
            a_stage(**{name: value})


@pytest.mark.parametrize(
    ("name", "invalid"),
    [
        ("google_pubsub_topic", ["mail", "topics/mail", "projects/p/topics/mail", 1]),
        ("google_push_service_account", ["push", "push@mailsync.test"]),
    ],
)
def test_the_settings_of_gmails_notifications_have_their_form(
    name: str, invalid: list[Any]
) -> None:
    assert a_stage(**GOOGLE_PUSH).google_pubsub_topic
    for value in invalid:
        with pytest.raises(ValueError, match=f"{name} must be"):
            a_stage(**{**GOOGLE_PUSH, name: value})


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("app_inbox_url", "https://app.example.com/inbox"),
        ("jwt_jwks_url", "https://PROJECT.supabase.co/auth/v1/.well-known/jwks.json"),
        ("jwt_issuer", "https://issuer.example/"),
        ("alarm_email", "ops@example.com"),
        ("cors_origins", ["https://a.mailsync.test", "https://inbox.example.org"]),
        ("imap_servers", "public,imap.example.org:993"),
        ("microsoft_client_id", "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_an_example_value_is_refused(name: str, example: object) -> None:
    with pytest.raises(ValueError, match=f"{name} still has the example value"):
        a_stage(**{name: example})


def test_every_log_retention_of_cdk_is_accepted() -> None:
    from aws_cdk.aws_logs import RetentionDays

    for each in RetentionDays:
        assert a_stage(log_retention=each.name).log_retention == each.name


@pytest.mark.parametrize("audience", [{}, {"jwt_audience": " , "}])
def test_keys_of_an_issuer_need_an_audience(audience: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="jwt_jwks_url needs jwt_audience"):
        a_stage(jwt_jwks_url=JWKS, **audience)


def test_every_audience_is_admitted_only_by_a_lone_star_and_under_a_warning() -> None:
    (warning,) = a_stage(jwt_jwks_url=JWKS, jwt_audience="*").warnings_about_risky_settings

    assert "for any of its clients" in warning
    assert (
        a_stage(jwt_jwks_url=JWKS, jwt_audience="inbox, admin").warnings_about_risky_settings == ()
    )
    assert a_stage().warnings_about_risky_settings == ()
    with pytest.raises(ValueError, match="alone"):
        a_stage(jwt_jwks_url=JWKS, jwt_audience="*, inbox")


def test_a_log_level_that_drops_audit_records_is_warned_of() -> None:
    assert [
        "audit records" in each for each in a_stage(log_level="ERROR").warnings_about_risky_settings
    ] == [True]


def test_a_deployment_prints_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = {"app_inbox_url": INBOX, "jwt_jwks_url": JWKS, "jwt_audience": "*"}

    synthesis.app(tmp_path, {"stage": "test", "stages": {"test": stage}})

    assert "Warning: Stage 'test': jwt_audience" in capsys.readouterr().err


def test_a_settings_file_describes_a_stage_with_three_secrets(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"stage": {"app_inbox_url": INBOX}, "secrets": {"A": "b"}}))

    assert read_stage_part_of_settings_file(file) == {
        "app_inbox_url": INBOX,
        "single_secret": False,
    }
    for content, sentence in (("{", "is not JSON"), ("[]", 'part "stage"'), (None, "no file")):
        file.unlink() if content is None else file.write_text(content)
        with pytest.raises(ValueError, match=sentence):
            read_stage_part_of_settings_file(file)


def a_file(folder: Path, text: str) -> Path:
    file = folder / "settings.json"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("unknown parts: .'secret'.", '{"stage": {}, "secret": {"DATABASE_URL": "new"}}'),
        ("app_inbox_url stands in it twice", '{"stage": {"app_inbox_url": 1, "app_inbox_url": 2}}'),
    ],
)
def test_a_settings_file_of_another_form_is_refused(
    tmp_path: Path, sentence: str, text: str
) -> None:
    """Otherwise a misspelt part would deploy the stage without the values in it."""
    with pytest.raises(ValueError, match=sentence):
        read_stage_part_of_settings_file(a_file(tmp_path, text))
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        read_stage_part_of_settings_file(tmp_path)


def test_a_settings_file_may_come_from_an_editor_of_windows(tmp_path: Path) -> None:
    file = a_file(tmp_path, '\ufeff{\r\n"stage": {"app_inbox_url": "https://a.test/"}\r\n}')

    assert read_stage_part_of_settings_file(file)["app_inbox_url"] == "https://a.test/"


def test_a_setting_that_is_null_has_its_default(tmp_path: Path) -> None:
    settings = {each.name: None for each in fields(StageSettings) if each.name != "name"}
    file = a_file(tmp_path, json.dumps({"stage": {**settings, "app_inbox_url": INBOX}}))

    stage = StageSettings.from_raw_stages("test", {"test": read_stage_part_of_settings_file(file)})
    assert stage == StageSettings(name="test", app_inbox_url=INBOX, single_secret=False)
    with pytest.raises(ValueError, match="app_inbox_url is missing"):
        StageSettings.from_raw_stages("test", {"test": {"app_inbox_url": None}})
    with pytest.raises(ValueError, match=r"unknown settings: \['name'\]"):
        a_stage(name="other")


@pytest.mark.parametrize("name", ["", "a stage", "prod_1", "../prod", "-prod", "prodé", "p" * 81])
def test_a_name_that_no_stack_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits and hyphens"):
        StageSettings.from_raw_stages(name, {name: {"app_inbox_url": INBOX}})


def test_the_quota_of_the_google_project_reaches_the_functions_that_use_it() -> None:
    from infra.catalog import FUNCTIONS, Capability
    from infra.sync_functions import _environment

    stage = a_stage(gmail_units_per_minute=15_000, gmail_project_units_per_minute=2_400_000)
    found = {each.name: _environment(each, stage) for each in FUNCTIONS}
    quotas = {
        name: (values.get("GMAIL_UNITS_PER_MINUTE"), values.get("GMAIL_PROJECT_UNITS_PER_MINUTE"))
        for name, values in found.items()
    }

    for each in FUNCTIONS:
        if Capability.USE_APP_CREDENTIALS_AT_PROVIDER in each.capabilities:
            assert quotas[each.name] == ("15000", "2400000")
    assert quotas["authorize"] == (None, None)
    default = _environment(FUNCTIONS[2], a_stage())
    assert not any(name.startswith("GMAIL_") for name in default)
