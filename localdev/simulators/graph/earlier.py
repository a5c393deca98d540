"""Store the simulated Graph's responses, so that the fault `old` can send an outdated response
again."""

from collections import deque
from threading import Lock
from typing import Any

from localdev.http_server import Request
from localdev.simulators.graph.query import ODataQuery

MAX_REQUESTS_WITH_STORED_RESPONSES = 1_000
_TOKENS = ("deltatoken", "skiptoken")

RequestKeyIgnoringPageTokens = tuple[str, ...]


class ReplayableResponses:
    """Stores the newest responses to each kind of request. Requests of one kind have the same
    mailbox, method, path and query options; only their page and delta tokens may differ.

    The store keeps the 1,000 kinds that were requested most recently.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[RequestKeyIgnoringPageTokens, deque[Any]] = {}

    def store_response(
        self, request: Request, mailbox_id: str, document: Any, *, most: int
    ) -> None:
        """Store the JSON of a response. Keep only the `most` newest responses to this kind of
        request."""
        kind = _kind(request, mailbox_id)
        with self._lock:
            kept = self._kept.pop(kind, ())
            self._kept[kind] = deque([*kept, document], maxlen=most)
            if len(self._kept) > MAX_REQUESTS_WITH_STORED_RESPONSES:
                self._kept.pop(next(iter(self._kept)))

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def find_oldest_response(self, request: Request, mailbox_id: str) -> Any:
        """Return the JSON of the oldest stored response to this kind of request. Return None if no
        response is stored."""
        with self._lock:
            kept = self._kept.get(_kind(request, mailbox_id))
        return kept[0] if kept else None


def _kind(request: Request, mailbox_id: str) -> RequestKeyIgnoringPageTokens:
    """Return the kind of a request. All pages of a delta feed have the same kind. Pages of a list
    have different kinds if their `$skip` differs."""
    options = ODataQuery.parse(request.query_string).option_value_by_name.items()
    named = (f"{name}={value}" for name, value in sorted(options) if name not in _TOKENS)
    return mailbox_id, request.method, request.path, *named
