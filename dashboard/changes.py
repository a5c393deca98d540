"""Long polling: a request of a dashboard page waits until data of the local stack or of the stage
has changed.

The dashboard polls the database and the executions only while a request waits.
"""

import threading
import time
from typing import Any

from dashboard.executions import ExecutionReader
from dashboard.queries import DashboardQueries

MIN_POLL_INTERVAL_S = 0.5
MIN_RATIO_OF_PAUSE_TO_POLL_TIME = 4
"""The pause after a poll is at least so many times as long as the poll.

With many open runs a poll takes long.
"""
MAX_LONG_POLL_S = 20


class ChangeWatcher:
    """Polls the tables and the executions for changes, at most twice a second, for all waiting
    requests together."""

    def __init__(self, queries: DashboardQueries, executions: ExecutionReader) -> None:
        self._queries = queries
        self._executions = executions
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        # Above every version that an earlier dashboard on this port has given to a page.
        self._version = int(time.time() * 1000)
        self._seen: tuple[Any, ...] = ()
        self._next_look = 0.0

    def stop(self) -> None:
        """Wake all requests that wait for a change, so that the server can stop."""
        self._stopped.set()

    def wait_for_other_version(self, since: int) -> int:
        """Wait until the version of the data differs from `since`, at most 20 s; return the current
        version.

        A version is a number that grows with each change that a poll noticed.
        """
        deadline = time.monotonic() + MAX_LONG_POLL_S
        while (version := self._look()) == since and time.monotonic() < deadline:
            if self._stopped.wait(MIN_POLL_INTERVAL_S / 2):
                break
        return version

    def _look(self) -> int:
        with self._lock:
            began = time.monotonic()
            if began >= self._next_look:
                seen = self._queries.read_data_version(), self._change_versions()
                self._version += seen != self._seen
                self._seen = seen
                ended = time.monotonic()
                self._next_look = ended + max(
                    MIN_POLL_INTERVAL_S, MIN_RATIO_OF_PAUSE_TO_POLL_TIME * (ended - began)
                )
            return self._version

    def _change_versions(self) -> list[tuple[str, int]]:
        running = self._executions.list_running_self_test_arns()
        return [
            self._executions.read_newest_event_id(arn)
            for arn in self._queries.list_open_execution_arns() + running
        ]
