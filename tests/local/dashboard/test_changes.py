"""What happens between two looks of the dashboard reaches the pages that are open."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.changes import DashboardDataChangeWatcher
from dashboard.executions import ExecutionReader
from dashboard.queries import DashboardQueries
from infra.catalog import MAILBOX_SYNC_WORKFLOW, SELF_TEST_WORKFLOW, WORKFLOWS
from mailsync.settings import Settings
from mailsync.store.connection import connect

ACCOUNT = """
INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address)
VALUES ('u1', 'microsoft', 'a', 'ada@example.com') RETURNING id"""
EVENT = """
INSERT INTO mailsync.outbox (account_id, type, detail)
SELECT id, 'sync.completed', '{}' FROM mailsync.email_accounts RETURNING id"""
PUBLISHED = "UPDATE mailsync.outbox SET published_at = now() RETURNING id"
DUE = "UPDATE mailsync.email_accounts SET next_sync_at = now() RETURNING id"


class ListedExecutions:
    """Step Functions with these executions, each as its status by its name."""

    exceptions = SimpleNamespace(ExecutionDoesNotExist=LookupError)

    def __init__(self) -> None:
        self.statuses: dict[str, dict[str, str]] = {each.name: {} for each in WORKFLOWS}

    def list_executions(self, **request: Any) -> dict[str, Any]:
        found = self.statuses[request["stateMachineArn"]]
        usual = {"startDate": datetime(2026, 1, 31, tzinfo=UTC)}
        return {
            "executions": [
                {**usual, "executionArn": name, "name": name, "status": status}
                for name, status in found.items()
            ]
        }

    def get_execution_history(self, **_: Any) -> dict[str, Any]:
        return {"events": [{"id": 1}]}


@pytest.fixture
def engine() -> ListedExecutions:
    return ListedExecutions()


@pytest.fixture
def watcher(settings: Settings, engine: ListedExecutions) -> Iterator[DashboardDataChangeWatcher]:
    queries = DashboardQueries(settings)
    machines = {each.name: each.name for each in WORKFLOWS}
    watcher = DashboardDataChangeWatcher(queries, ExecutionReader(engine, machines), list)
    yield watcher
    watcher.stop()
    queries.close()


def test_a_self_test_that_began_and_ended_between_two_looks_is_heard_of(
    watcher: DashboardDataChangeWatcher, engine: ListedExecutions
) -> None:
    version = watcher.wait_until_data_version_differs(0)

    engine.statuses[SELF_TEST_WORKFLOW.name]["t1"] = "SUCCEEDED"

    assert watcher.wait_until_data_version_differs(version) > version


def test_an_execution_that_ends_after_its_run_is_heard_of(
    watcher: DashboardDataChangeWatcher, engine: ListedExecutions
) -> None:
    engine.statuses[MAILBOX_SYNC_WORKFLOW.name]["r1"] = "RUNNING"
    version = watcher.wait_until_data_version_differs(0)

    engine.statuses[MAILBOX_SYNC_WORKFLOW.name]["r1"] = "SUCCEEDED"

    assert watcher.wait_until_data_version_differs(version) > version


@pytest.mark.parametrize("change", [EVENT, PUBLISHED, DUE])
def test_an_account_that_becomes_due_and_an_event_that_is_published_are_heard_of(
    watcher: DashboardDataChangeWatcher, settings: Settings, change: str
) -> None:
    with closing(connect(settings)) as connection:
        connection.run(ACCOUNT)
        connection.run(EVENT)
        version = watcher.wait_until_data_version_differs(0)

        assert connection.run(change)

    assert watcher.wait_until_data_version_differs(version) > version


def test_a_page_is_not_woken_while_nothing_happens(
    watcher: DashboardDataChangeWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.changes.MAX_LONG_POLL_DURATION_S", 1.5)
    version = watcher.wait_until_data_version_differs(0)

    assert watcher.wait_until_data_version_differs(version) == version
