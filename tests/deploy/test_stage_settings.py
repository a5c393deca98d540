"""A stage says only what a stage can say."""

import json
from pathlib import Path

import pytest

from infra.settings import StageSettings
from tests.deploy import synthesis
from tests.support.paths import ROOT

CDK_JSON = ROOT / "cdk.json"
INBOX = "https://app.example.com/inbox"


def test_every_stage_of_cdk_json_is_understood() -> None:
    stages = json.loads(CDK_JSON.read_text())["context"]["stages"]

    assert {"dev", "prod"} <= stages.keys()
    for name in stages:
        assert StageSettings.from_context(name, stages).name == name


def test_a_stage_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"'tset' is not in cdk.json; it has \['test'\]"):
        StageSettings.from_context("tset", {"test": {"app_inbox_url": INBOX}})


def test_a_misspelt_setting_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="grahp_url"):
        StageSettings.from_context("test", {"test": {"app_inbox_url": INBOX, "grahp_url": "x"}})


def test_an_architecture_that_lambda_does_not_have_is_refused() -> None:
    values = {"app_inbox_url": INBOX, "architecture": "riscv"}

    with pytest.raises(ValueError, match="architecture"):
        StageSettings.from_context("test", {"test": values})


def test_concurrency_reserved_for_a_function_that_does_not_exist_is_refused() -> None:
    values = {"app_inbox_url": INBOX, "reserved_concurrency": {"sync-foldr": 10}}

    with pytest.raises(ValueError, match="sync-foldr"):
        StageSettings.from_context("test", {"test": values})


@pytest.mark.parametrize("origin", ["*", "app.example.com", "https://app.example.com/inbox"])
def test_an_origin_that_is_none_is_refused(origin: str) -> None:
    values = {"app_inbox_url": INBOX, "cors_origins": [origin]}

    with pytest.raises(ValueError, match="cors_origins"):
        StageSettings.from_context("test", {"test": values})


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("log_level", {"log_level": "LOUD"}),
        ("database", {"database": "oracle"}),
        ("aurora_min_acu", {"aurora_min_acu": 0}),
        ("aurora_max_acu", {"aurora_min_acu": 4, "aurora_max_acu": 2}),
        ("multiples", {"aurora_max_acu": 1.3}),
        ("not both", {"alarm_email": "ops@example.com", "alarm_topic_arn": "arn:aws:sns:r:1:t"}),
    ],
)
def test_what_no_stage_can_mean_is_refused(setting: str, values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=setting):
        StageSettings.from_context("test", {"test": {"app_inbox_url": INBOX, **values}})


JWKS = "https://issuer.example.com/.well-known/jwks.json"


def a_stage(**values: object) -> StageSettings:
    return StageSettings.from_context("test", {"test": {"app_inbox_url": INBOX, **values}})


@pytest.mark.parametrize("audience", [{}, {"jwt_audience": " , "}])
def test_keys_of_an_issuer_need_the_audience_that_tells_its_clients_apart(
    audience: dict[str, str],
) -> None:
    with pytest.raises(ValueError, match="jwt_jwks_url needs jwt_audience"):
        a_stage(jwt_jwks_url=JWKS, **audience)


def test_every_audience_is_let_in_by_its_own_word_and_under_a_warning() -> None:
    (warning,) = a_stage(jwt_jwks_url=JWKS, jwt_audience="*").warnings

    assert "for any of its clients" in warning
    assert a_stage(jwt_jwks_url=JWKS, jwt_audience="inbox, admin").warnings == ()
    assert a_stage().warnings == ()
    with pytest.raises(ValueError, match="alone"):
        a_stage(jwt_jwks_url=JWKS, jwt_audience="*, inbox")


def test_a_log_level_that_drops_audit_records_is_warned_of() -> None:
    assert ["audit records" in each for each in a_stage(log_level="ERROR").warnings] == [True]


@pytest.mark.parametrize("setting", ["confirm_connections", "log_source_ip"])
def test_a_switch_that_is_text_is_refused(setting: str) -> None:
    """As "false" would be true."""
    with pytest.raises(ValueError, match=setting):
        a_stage(**{setting: "false"})


def test_the_deployment_prints_its_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = {"app_inbox_url": INBOX, "jwt_jwks_url": JWKS, "jwt_audience": "*"}

    synthesis.app(tmp_path, {"stage": "test", "stages": {"test": stage}})

    assert "Warning: Stage 'test': jwt_audience" in capsys.readouterr().err
