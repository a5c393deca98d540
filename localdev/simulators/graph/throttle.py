"""Outlook's limits for one app and one mailbox, over all connections and processes.

Four requests in flight and 10,000 in ten minutes; what is refused counts as well.
Source: Microsoft Graph docs, throttling-limits.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from localdev.simulators.behaviour import Behaviour
from localdev.simulators.graph.errors import GraphError, throttled

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
    def slot(self, mailbox_id: str, behaviour: Behaviour) -> Iterator[None]:
        """Held while the request is worked on. Raises GraphError 429 at once when over a limit."""
        scopes = {mailbox_id, _WHOLE_APP}
        counted = _WHOLE_APP if behaviour.in_flight_counted_per_app else mailbox_id
        with self._lock:
            self._count(mailbox_id, behaviour)
            if self._in_flight[counted] >= behaviour.requests_in_flight:
                raise _refusal(behaviour)
            for scope in scopes:
                self._in_flight[scope] += 1
        try:
            yield
        finally:
            with self._lock:
                for scope in scopes:
                    self._in_flight[scope] -= 1

    def _count(self, mailbox_id: str, behaviour: Behaviour) -> None:
        now, recent = time.monotonic(), self._recent[mailbox_id]
        while recent and recent[0] <= now - behaviour.window_s:
            recent.popleft()
        recent.append(now)
        if len(recent) > behaviour.requests_per_window:
            raise throttled(behaviour.window_retry_after_s, "MailboxRequests")


def _refusal(behaviour: Behaviour) -> GraphError:
    """Bursts have also been seen refused as if access were missing."""
    if behaviour.throttled_as_denied:
        message = "Access is denied. Check credentials and try again."
        return GraphError(403, "ErrorAccessDenied", message)
    return throttled(behaviour.retry_after_s)
