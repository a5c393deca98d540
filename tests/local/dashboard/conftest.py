"""Histories of real executions: recorded on the local stack, without what is not read."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dashboard.definition import Scope, read_definition
from infra.catalog import MAILBOX_SYNC

HISTORIES = Path(__file__).with_name("histories")
Events = list[dict[str, Any]]


@pytest.fixture
def recorded() -> Callable[[str], Events]:
    """The events of that recording, with times as boto3 gives them."""

    def read(name: str) -> Events:
        events: Events = json.loads((HISTORIES / f"{name}.json").read_text())
        return [{**each, "timestamp": datetime.fromisoformat(each["timestamp"])} for each in events]

    return read


@pytest.fixture(scope="session")
def scope() -> Scope:
    return read_definition(MAILBOX_SYNC.definition)
