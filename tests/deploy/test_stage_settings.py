"""Invalid settings of a stage are refused, risky ones are warned of."""

import json
from pathlib import Path

import pytest

from infra.settings import StageSettings
from tests.deploy import synthesis
from tests.support.paths import ROOT

CDK_JSON = ROOT / "cdk.json"
INBOX = "https://app.example.com/inbox"


def test_every_stage_of_cdk_json_is_valid() -> None:
    stages = json.loads(CDK_JSON.read_text())["context"]["stages"]

    assert {"dev", "prod"} <= stages.keys()
    for name in stages:
        assert StageSettings.from_context(name, stages).name == name


def test_a_stage_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"'tset' is not in cdk.json; it has \['test'\]"):
        StageSettings.from_context("tset", {"test": {"app_inbox_url": INBOX}})


def a_stage(**values: object) -> StageSettings:
    return StageSettings.from_context("test", {"test": {"app_inbox_url": INBOX, **values}})


@pytest.mark.parametrize(
    ("named", "values"),
    [
        ("grahp_url", {"grahp_url": "x"}),
        ("architecture", {"architecture": "riscv"}),
        ("sync-foldr", {"reserved_concurrency": {"sync-foldr": 10}}),
        *(
            ("cors_origins", {"cors_origins": [each]})
            for each in ("*", "app.example.com", "https://app.example.com/inbox")
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
        ("not both", {"alarm_email": "ops@example.com", "alarm_topic_arn": "arn:aws:sns:r:1:t"}),
        # As text, "false" would be true.
        ("confirm_connections", {"confirm_connections": "false"}),
        ("log_source_ip", {"log_source_ip": "false"}),
    ],
)
def test_an_invalid_setting_is_refused_by_name(named: str, values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=named):
        a_stage(**values)


JWKS = "https://issuer.example.com/.well-known/jwks.json"


@pytest.mark.parametrize("audience", [{}, {"jwt_audience": " , "}])
def test_keys_of_an_issuer_need_an_audience(audience: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="jwt_jwks_url needs jwt_audience"):
        a_stage(jwt_jwks_url=JWKS, **audience)


def test_every_audience_is_admitted_only_by_a_lone_star_and_under_a_warning() -> None:
    (warning,) = a_stage(jwt_jwks_url=JWKS, jwt_audience="*").warnings

    assert "for any of its clients" in warning
    assert a_stage(jwt_jwks_url=JWKS, jwt_audience="inbox, admin").warnings == ()
    assert a_stage().warnings == ()
    with pytest.raises(ValueError, match="alone"):
        a_stage(jwt_jwks_url=JWKS, jwt_audience="*, inbox")


def test_a_log_level_that_drops_audit_records_is_warned_of() -> None:
    assert ["audit records" in each for each in a_stage(log_level="ERROR").warnings] == [True]


def test_a_deployment_prints_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = {"app_inbox_url": INBOX, "jwt_jwks_url": JWKS, "jwt_audience": "*"}

    synthesis.app(tmp_path, {"stage": "test", "stages": {"test": stage}})

    assert "Warning: Stage 'test': jwt_audience" in capsys.readouterr().err
