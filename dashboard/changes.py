"""Let requests of dashboard pages wait until data has changed in the local stack or the deployed
stage (long polling).

The dashboard polls the database, the executions and the event bus only while a request waits.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from dashboard.executions import ExecutionReader
from dashboard.queries import DashboardQueries
from infra.catalog import SELF_TEST_WORKFLOW, WORKFLOWS

MIN_POLL_INTERVAL_S = 0.5
MIN_RATIO_OF_PAUSE_TO_POLL_TIME = 4
"""Minimum length of the pause after a poll, as a multiple of the poll's duration.

It limits the load of polls that take long, as they do with many open runs.
"""
MAX_LONG_POLL_DURATION_S = 20


class DashboardDataChangeWatcher:
    """Polls the database, the executions and the events of the bus for changes, at most twice a
    second. All waiting requests share the polls."""

    def __init__(
        self,
        queries: DashboardQueries,
        executions: ExecutionReader,
        list_recent_bus_events: Callable[[], list[dict[str, Any]]],
    ) -> None:
        self._queries = queries
        self._executions = executions
        self._list_recent_bus_events = list_recent_bus_events
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        # The clock's value is above each version that an earlier dashboard on this port has sent to
        # a page.
        self._version = int(time.time() * 1000)
        self._seen: tuple[Any, ...] = ()
        self._next_look = 0.0

    def stop(self) -> None:
        """Wake all requests that wait for a change, so that the server can stop."""
        self._stopped.set()

    def wait_until_data_version_differs(self, since: int) -> int:
        """Wait until the data has another version than `since`, at most 20 s. Return the current
        version.

        The version is a number that grows when a poll finds changed data in the database, the
        executions or the event bus. The page that waits shows the data of the version `since`.
        """
        deadline = time.monotonic() + MAX_LONG_POLL_DURATION_S
        while (version := self._look()) == since and time.monotonic() < deadline:
            if self._stopped.wait(MIN_POLL_INTERVAL_S / 2):
                break
        return version

    def _look(self) -> int:
        with self._lock:
            began = time.monotonic()
            if began >= self._next_look:
                bus = [(each["id"], each["outcome"]) for each in self._list_recent_bus_events()]
                seen = self._queries.read_data_fingerprint(), self._change_versions(), bus
                self._version += seen != self._seen
                self._seen = seen
                ended = time.monotonic()
                self._next_look = ended + max(
                    MIN_POLL_INTERVAL_S, MIN_RATIO_OF_PAUSE_TO_POLL_TIME * (ended - began)
                )
            return self._version

    def _change_versions(self) -> list[tuple[str, str | int]]:
        """Return the statuses of the newest executions, and the ids of the newest history events of
        the executions of open runs and of running self-tests.

        The statuses include ended executions: an execution can start and end between two polls, or
        end after its run is closed in the database.
        """
        newest = {
            each.name: self._executions.list_newest_executions(each.name) for each in WORKFLOWS
        }
        statuses = [(each.arn, each.status) for found in newest.values() for each in found]
        self_tests = newest[SELF_TEST_WORKFLOW.name]
        arns = self._queries.list_execution_arns_of_open_runs()
        arns += [each.arn for each in self_tests if each.status == "RUNNING"]
        return [*statuses, *map(self._executions.read_arn_and_newest_event_id, arns)]
