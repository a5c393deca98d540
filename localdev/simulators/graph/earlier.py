"""Store responses to earlier requests, for the fault `old`: the service returns an outdated
response again."""

from collections import deque
from threading import Lock
from typing import Any

from localdev.http_server import Request
from localdev.simulators.graph.query import ODataQuery

MAX_KEPT_REQUEST_KINDS = 1_000
_TOKENS = ("deltatoken", "skiptoken")

RequestKind = tuple[str, ...]


class EarlierResponses:
    """Stores the last responses to each kind of request. Requests of one kind have the same
    mailbox, method, path and query options, except delta tokens.

    Only the kinds that were requested most recently are kept.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[RequestKind, deque[Any]] = {}

    def store_response(
        self, request: Request, mailbox_id: str, document: Any, *, most: int
    ) -> None:
        """Store a response; keep at most `most` responses to this kind of request."""
        kind = _kind(request, mailbox_id)
        with self._lock:
            kept = self._kept.pop(kind, ())
            self._kept[kind] = deque([*kept, document], maxlen=most)
            if len(self._kept) > MAX_KEPT_REQUEST_KINDS:
                self._kept.pop(next(iter(self._kept)))

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def find_oldest_response(self, request: Request, mailbox_id: str) -> Any:
        """Return the oldest stored response to this kind of request; None when there is none."""
        with self._lock:
            kept = self._kept.get(_kind(request, mailbox_id))
        return kept[0] if kept else None


def _kind(request: Request, mailbox_id: str) -> RequestKind:
    """Return the kind of a request, which is the same for every page of a delta feed or a list."""
    options = ODataQuery.parse(request.query).options.items()
    named = (f"{name}={value}" for name, value in sorted(options) if name not in _TOKENS)
    return mailbox_id, request.method, request.path, *named
