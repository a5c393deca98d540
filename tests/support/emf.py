"""What functions tell CloudWatch: lines in the embedded metric format, read back.

Source: Amazon CloudWatch docs, "Specification: Embedded metric format".
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from mailsync.metrics import emit_metrics_after_handler

Emitted = dict[tuple[str, ...], float]
"""The sum of each metric, by its name and the values of its dimensions."""
Counted = Callable[[], AbstractContextManager[Emitted]]
"""A block that is one invocation; at its end, what was emitted is in the value of the block."""


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The block is one invocation of the function of a stage `test`."""
    _emit({}, None)  # discards what was counted before
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "mailsync-test")
    yield
    _emit({}, None)


@emit_metrics_after_handler
def _emit(_event: dict[str, Any], _context: object) -> None:
    pass


def emitted(printed: str) -> Emitted:
    """Raises AssertionError when a line is not as CloudWatch reads it."""
    found: Emitted = {}
    for line in printed.splitlines():
        if not line.startswith('{"_aws"'):
            continue
        document = json.loads(line)
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Mailsync"
        (dimensions,) = directive["Dimensions"]
        values = tuple(document[each] for each in sorted(dimensions) if each != "service")
        assert document["service"].startswith("mailsync-")
        for each in directive["Metrics"]:
            key = (each["Name"], *values)
            found[key] = found.get(key, 0) + sum(document[each["Name"]])
    return found
