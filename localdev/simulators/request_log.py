"""Record the requests that the simulated Graph and Gmail receive, for tests and the dashboard."""

import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

_KEPT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One request that the simulated Graph or Gmail received.

    at: time of the response, in seconds since 1970.
    link: kind of the page link that the request followed: `next` or `delta`. A request with a page
        token of Gmail has `next`. None: the request followed no link.
    prefer: value of the header `Prefer`.
    mailbox: address of the mailbox. None: the request reached no mailbox.
    in_flight: number of the mailbox's other requests that were in flight when this request arrived.
    """

    at: float
    method: str
    path: str
    query: str
    link: str | None
    prefer: str
    status: int
    mailbox: str | None
    in_flight: int
    in_batch: bool
    duration_s: float


class RequestLog:
    """Keeps the newest 100,000 requests; each item of a batch counts as a request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: deque[RequestRecord] = deque(maxlen=_KEPT)

    def add_record(self, record: RequestRecord) -> None:
        with self._lock:
            self._records.append(record)

    def records(self) -> list[RequestRecord]:
        with self._lock:
            return list(self._records)

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(record) for record in self.records()]

    def clear(self) -> None:
        with self._lock:
            self._records.clear()
