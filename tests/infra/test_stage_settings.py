"""A stage says only what a stage can say."""

import json
from pathlib import Path

import pytest

from infra.settings import StageSettings

CDK_JSON = Path(__file__).parents[2] / "cdk.json"
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
        ("halves", {"aurora_max_acu": 1.3}),
        ("not both", {"alarm_email": "ops@example.com", "alarm_topic_arn": "arn:aws:sns:r:1:t"}),
    ],
)
def test_what_no_stage_can_mean_is_refused(setting: str, values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=setting):
        StageSettings.from_context("test", {"test": {"app_inbox_url": INBOX, **values}})
