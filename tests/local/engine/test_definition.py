import json

import pytest

from infra.catalog import MAILBOX_SYNC_WORKFLOW, Function
from localdev.engine.definition import fill_function_arns, multiply_constant_wait_seconds

SYNC_FOLDER = Function(name="sync-folder", purpose="")


def test_a_placeholder_becomes_the_arn_of_its_function_or_the_partition() -> None:
    filled = fill_function_arns('["arn:${Partition}:", "${SyncFolderFunctionArn}"]', [SYNC_FOLDER])

    function = "arn:aws:lambda:eu-west-1:123456789012:function:sync-folder"
    assert json.loads(filled) == ["arn:aws:", function]


def test_a_placeholder_of_no_function_is_refused() -> None:
    with pytest.raises(KeyError):
        fill_function_arns('"${OtherFunctionArn}"', [SYNC_FOLDER])


def test_only_waits_are_scaled() -> None:
    definition = {
        "TimeoutSeconds": 40,
        "Retry": [{"IntervalSeconds": 15, "MaxDelaySeconds": 300, "MaxAttempts": 8}],
        "Wait": {"Seconds": 5},
        "ByPath": {"SecondsPath": "$.waitSeconds"},
    }

    assert json.loads(multiply_constant_wait_seconds(json.dumps(definition), 0.1)) == {
        "TimeoutSeconds": 40,
        "Retry": [{"IntervalSeconds": 1, "MaxDelaySeconds": 30, "MaxAttempts": 8}],
        "Wait": {"Seconds": 0},
        "ByPath": {"SecondsPath": "$.waitSeconds"},
    }


def test_without_a_scale_the_text_stays_as_it_is_deployed() -> None:
    assert (
        multiply_constant_wait_seconds(MAILBOX_SYNC_WORKFLOW.asl_text, 1)
        == MAILBOX_SYNC_WORKFLOW.asl_text
    )
