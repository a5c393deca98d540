"""Enforce Outlook's limits for one app and one mailbox: four requests in flight, and 10,000
requests in ten minutes.

The requests of all clients count together. Rejected requests count too. Source: Microsoft
Graph docs, throttling-limits.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from localdev.simulators.behaviour import MicrosoftBehaviour
from localdev.simulators.graph.errors import throttled_error

RATE_WINDOW_S = 600
RATE_WINDOW_RETRY_AFTER_S = 10


class MailboxThrottle:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight: dict[str, int] = defaultdict(int)
        self._recent: dict[str, deque[float]] = defaultdict(deque)

    def in_flight_request_count(self, mailbox_id: str) -> int:
        with self._lock:
            return self._in_flight[mailbox_id]

    @contextmanager
    def throttle_and_count_request(
        self, mailbox_id: str, behaviour: MicrosoftBehaviour
    ) -> Iterator[None]:
        """Count a request to the mailbox as in flight while the `with` block runs.

        Raises:
            GraphError: 429 if a limit is exceeded.
        """
        with self._lock:
            self._count(mailbox_id, behaviour)
            if self._in_flight[mailbox_id] >= behaviour.requests_in_flight:
                raise throttled_error(behaviour.retry_after_s)
            self._in_flight[mailbox_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight[mailbox_id] -= 1

    def _count(self, mailbox_id: str, behaviour: MicrosoftBehaviour) -> None:
        now, recent = time.monotonic(), self._recent[mailbox_id]
        while recent and recent[0] <= now - RATE_WINDOW_S:
            recent.popleft()
        recent.append(now)
        if len(recent) > behaviour.requests_per_window:
            raise throttled_error(RATE_WINDOW_RETRY_AFTER_S, "MailboxRequests")
