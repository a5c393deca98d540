"""Outlook's limits for one app and one mailbox, over all connections and processes.

Four requests in flight and 10,000 in ten minutes; what is refused counts as well.
Source: Microsoft Graph docs, throttling-limits.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from localdev.simulators.graph.errors import GraphError, throttled
from localdev.simulators.switches import Switches

_WHOLE_APP = "*"


class Throttle:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight: dict[str, int] = defaultdict(int)
        self._recent: dict[str, deque[float]] = defaultdict(deque)

    def in_flight(self, mailbox_id: str) -> int:
        with self._lock:
            return self._in_flight[mailbox_id]

    @contextmanager
    def slot(self, mailbox_id: str, switches: Switches) -> Iterator[None]:
        """Held while the request is worked on. Raises GraphError 429 at once when over a limit."""
        scopes = {mailbox_id, _WHOLE_APP}
        counted = _WHOLE_APP if switches.in_flight_counted_per_app else mailbox_id
        with self._lock:
            self._count(mailbox_id, switches)
            if self._in_flight[counted] >= switches.requests_in_flight:
                raise _refusal(switches)
            for scope in scopes:
                self._in_flight[scope] += 1
        try:
            yield
        finally:
            with self._lock:
                for scope in scopes:
                    self._in_flight[scope] -= 1

    def _count(self, mailbox_id: str, switches: Switches) -> None:
        now, recent = time.monotonic(), self._recent[mailbox_id]
        while recent and recent[0] <= now - switches.window_s:
            recent.popleft()
        recent.append(now)
        if len(recent) > switches.requests_per_window:
            raise throttled(switches.window_retry_after_s, "MailboxRequests")


def _refusal(switches: Switches) -> GraphError:
    """Bursts have also been seen refused as if access were missing."""
    if switches.throttled_as_denied:
        message = "Access is denied. Check credentials and try again."
        return GraphError(403, "ErrorAccessDenied", message)
    return throttled(switches.retry_after_s)
