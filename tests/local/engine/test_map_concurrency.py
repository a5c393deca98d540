"""How many iterations of a Map the engine runs at a time, by a value of its input.

Source: Amazon States Language, "Map State": `MaxConcurrencyPath` leads to an integer of 0 or more,
and 0 means no limit.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from localdev.engine.aws_endpoint import AwsEndpoint
from localdev.engine.aws_resources import aws_client, reset_moto_state
from localdev.engine.lambda_host import InvocationResult
from tests.support.execution import Execution, StateFailed

ITEMS = 4
SETTLED_S = 0.3
"""No more iterations begin after this long."""
DEFINITION = json.dumps(
    {
        "StartAt": "each",
        "States": {
            "each": {
                "Type": "Map",
                "ItemsPath": "$.items",
                "MaxConcurrencyPath": "$.atOnce",
                "ItemSelector": {"item.$": "$$.Map.Item.Value"},
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "INLINE"},
                    "StartAt": "work",
                    "States": {
                        "work": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::lambda:invoke",
                            "Parameters": {"FunctionName": "work", "Payload": {"item.$": "$.item"}},
                            "ResultPath": None,
                            "End": True,
                        }
                    },
                },
                "ResultPath": None,
                "End": True,
            }
        },
    }
)


class Gate:
    """A function that ends when `expected` of it have begun, and then counts those that follow."""

    def __init__(self, expected: int) -> None:
        self._barrier = threading.Barrier(expected)
        self._lock = threading.Lock()
        self._inside = 0
        self.most = 0

    def invoke(self, _function: str, _payload: bytes) -> InvocationResult:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        self._barrier.wait(timeout=20)
        threading.Event().wait(SETTLED_S)
        with self._lock:
            self._inside -= 1
        return InvocationResult(200, b"{}", {})

    invoke_later = invoke


@contextmanager
def execution(functions: Gate, at_once: Any) -> Iterator[Any]:
    """What Step Functions says of it once it has ended."""
    endpoint = AwsEndpoint(functions, port=0)
    try:
        reset_moto_state()
        client = aws_client("stepfunctions", endpoint.url)
        machine = client.create_state_machine(
            name="map", definition=DEFINITION, roleArn="arn:aws:iam::123456789012:role/map"
        )["stateMachineArn"]
        state = json.dumps({"items": list(range(ITEMS)), "atOnce": at_once})
        arn = client.start_execution(stateMachineArn=machine, input=state)["executionArn"]
        while (found := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            threading.Event().wait(0.05)
        yield found
    finally:
        endpoint.stop()


@pytest.mark.parametrize(("at_once", "most"), [(1, 1), (2, 2), (0, ITEMS)])
def test_a_map_runs_as_many_at_once_as_its_input_says_and_0_is_no_limit(
    at_once: int, most: int
) -> None:
    functions, in_process = Gate(most), Gate(most)

    with execution(functions, at_once) as found:
        assert found["status"] == "SUCCEEDED"
    Execution("run", "arn", lambda *_: in_process.invoke("", b"") and {}, list, at_once=True).run(
        DEFINITION, {"items": list(range(ITEMS)), "atOnce": at_once}
    )

    assert functions.most == in_process.most == most


@pytest.mark.parametrize("at_once", [-1, "many", None])
def test_a_map_without_a_number_of_0_or_more_fails(at_once: Any) -> None:
    with execution(Gate(1), at_once) as found:
        assert (found["status"], found["error"]) == ("FAILED", "States.Runtime")
    with pytest.raises(StateFailed, match="Runtime"):
        Execution("run", "arn", lambda *_: {}, list).run(
            DEFINITION, {"items": [1], "atOnce": at_once}
        )
