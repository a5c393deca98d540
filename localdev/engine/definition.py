"""Adapt the definition of a state machine to the local stack. Pure functions."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from infra.catalog import AWS_PARTITION_PLACEHOLDER, Function
from localdev.engine.names import function_arn

_WAITS_S = frozenset({"IntervalSeconds", "MaxDelaySeconds", "Seconds"})
_OF_LAMBDA = ("arn:aws:states:::lambda:invoke", "arn:aws:lambda:")
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


def fill_function_arns(definition: str, functions: Iterable[Function]) -> str:
    """Return the definition with the partition `aws` in place of `${Partition}`, and with function
    ARNs in place of placeholders such as `${SyncFolderFunctionArn}`.

    Raises KeyError for a placeholder that no function of the catalog has.
    """
    arns = {each.arn_placeholder_name_in_asl: function_arn(each.name) for each in functions}
    values = {AWS_PARTITION_PLACEHOLDER: "aws", **arns}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], definition)


def multiply_constant_wait_seconds(definition: str, scale: float) -> str:
    """Multiply every constant wait of the definition by `scale`; return the new definition.

    The products are rounded down to whole seconds. As the States Language requires,
    IntervalSeconds is at least 1 and MaxDelaySeconds at least 2. Seconds of a Wait may become 0.
    A Wait with SecondsPath stays unchanged.
    """
    if scale == 1:
        return definition
    return json.dumps(_scaled(json.loads(definition), scale))


def _scaled(node: Any, scale: float) -> Any:
    if isinstance(node, list):
        return [_scaled(each, scale) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        name: _wait_s(name, value, scale)
        if name in _WAITS_S and isinstance(value, int | float)
        else _scaled(value, scale)
        for name, value in node.items()
    }


def _wait_s(name: str, value: float, scale: float) -> int:
    if name == "Seconds":
        return math.floor(value * scale)
    # MaxDelaySeconds must be greater than IntervalSeconds.
    least = 2 if name == "MaxDelaySeconds" else 1
    return max(least, math.floor(value * scale))


def find_resources_other_than_lambda(definition: str) -> set[str]:
    """Return the resources other than Lambda functions that the definition's tasks call.

    Raises ValueError when the definition is not JSON.
    """
    return set(_resources(json.loads(definition)))


def _resources(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        resource = node.get("Resource")
        if isinstance(resource, str) and not resource.startswith(_OF_LAMBDA):
            yield resource
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _resources(child)
