"""Recorded histories of real executions, without what is not read; a dashboard without a stack."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.definition import StateGraph, parse_state_machine
from dashboard.server import Dashboard
from dashboard.sources import DashboardSources
from infra.catalog import MAILBOX_SYNC_WORKFLOW, WORKFLOWS
from mailsync.settings import Settings

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
def scope() -> StateGraph:
    return parse_state_machine(MAILBOX_SYNC_WORKFLOW.asl_text)


@contextmanager
def opened(
    sources: DashboardSources, *, token_required: bool = True
) -> Iterator[tuple[Dashboard, httpx.Client]]:
    """The dashboard as the command starts it, and a client that has nothing yet."""
    dashboard = Dashboard(port=0, token_required=token_required)
    dashboard.start(sources)
    with httpx.Client(base_url=dashboard.url, timeout=60) as client:
        yield dashboard, client
    dashboard.stop()


def stage_sources(
    settings: Settings, client: Callable[[str], Any], *, shows_bodies: bool = True
) -> DashboardSources:
    """Those of a stage `prod` whose API does not respond; `client` makes clients of AWS."""
    return DashboardSources(
        stage_name="prod",
        mailsync_settings=settings,
        state_machine_arns={
            each.name: f"arn:aws:states:::stateMachine:{each.name}" for each in WORKFLOWS
        },
        make_aws_client=client,
        api_url="http://127.0.0.1:1",
        shows_message_bodies=shows_bodies,
    )
