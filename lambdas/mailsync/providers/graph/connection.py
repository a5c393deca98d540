"""Send requests to Microsoft Graph over one connection, one at a time.

One request may be sent in a thread while the caller stores what it has read. This thread only sends
the request and parses the response. It neither renews access tokens nor uses the database.
"""

import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from mailsync.errors import ProviderUnavailable
from mailsync.log import logger
from mailsync.model import AccessToken
from mailsync.providers.background import BackgroundTask
from mailsync.providers.graph.errors import (
    MISSING_RESPONSE_STATUS,
    TOO_LARGE_RESPONSE_STATUS,
    GraphResponse,
)
from mailsync.providers.graph.responses import to_graph_response
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.providers.tls import http_tls_context
from mailsync.response_body import ACCEPT_ENCODING, UnreadableBody, read_body_or_none_if_too_large

MAX_READ_AHEAD_BYTES = 8 * 2**20
"""The size limit of a decompressed page that is requested ahead. If the page before it is larger
than this limit, nothing is requested ahead. In memory the text of a response takes up to four times
its size, and two responses are held at the same time."""
MAX_WAIT_FOR_UNNEEDED_RESPONSE_S = 10.0
"""The maximum time in seconds for which `close` waits for a response that is no longer needed. It
must be less than `RESERVED_TIME_BEFORE_LAMBDA_TIMEOUT_S`, in which a function must return."""
_CONNECT_TIMEOUT_S = 10.0
_NOT_USABLE_AHEAD = frozenset({401, TOO_LARGE_RESPONSE_STATUS})
"""The statuses of responses that are dropped if they were read ahead. The caller then sends the
request itself, which can succeed: with a renewed access token (401), or with a higher size limit.
"""


@dataclass(frozen=True, slots=True)
class GraphRequest:
    """A request to Microsoft Graph.

    path: path relative to the base URL.
    max_response_bytes: maximum size of the decompressed response.
    page_size: maximum number of entries of the requested page. None: the request is not for a page,
        or it is a batch.
    content: JSON content of the request. None: no content.
    quota_cost: cost in units of Graph's quota; a batch of n requests costs n.
    """

    method: str
    path: str
    max_response_bytes: int
    page_size: int | None = None
    content: Any = None
    quota_cost: int = 1

    def has_same_response_as(self, other: "GraphRequest") -> bool:
        """Return whether this request and the other one have the same response: method, path, page
        size and content are equal. Their `max_response_bytes` may differ."""
        mine = (self.method, self.path, self.page_size, self.content)
        return mine == (other.method, other.path, other.page_size, other.content)


class GraphConnection:
    """The connection of one mailbox's client, with one request in flight. Only a request of
    `read_response_ahead` runs in a thread, and every other request waits for the end of this
    thread.

    timeout_s: time limit of a single read.
    memory: limits the bytes that responses hold in memory until `close`. None: no limit.
    total_decompressed_response_bytes: decompressed size of all responses so far.
    """

    def __init__(
        self,
        *,
        base_url: str,
        ca_bundle: str | None,
        timeout_s: float,
        memory: ResponseMemoryShare | None,
    ) -> None:
        self.total_decompressed_response_bytes = 0
        self._last_bytes = 0
        self._base_url = base_url
        self._memory = memory
        self._ahead: tuple[GraphRequest, BackgroundTask[tuple[GraphResponse, int]]] | None = None
        self._http = httpx.Client(
            verify=http_tls_context(ca_bundle),
            timeout=httpx.Timeout(timeout_s, connect=min(_CONNECT_TIMEOUT_S, timeout_s)),
            follow_redirects=False,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connection. First wait for the response to a request that was sent ahead, for
        at most `MAX_WAIT_FOR_UNNEEDED_RESPONSE_S`."""
        if self._ahead:
            self._ahead[1].wait(MAX_WAIT_FOR_UNNEEDED_RESPONSE_S)
        self._http.close()
        if self._memory:
            self._memory.close()

    def send(self, access: AccessToken, request: GraphRequest) -> GraphResponse:
        """Send a request and return its response.

        Raises:
            ProviderUnavailable: `memory` has no room for the response.
        """
        if self._ahead:
            self._ahead[1].wait()
        return self._counted(self._exchange(access, request))

    def can_read_ahead(self, limit_bytes: int) -> bool:
        """Return whether a request may now be sent in a thread while the caller does other work.
        Return False if several mailboxes share the memory, or if the last response had more than
        `limit_bytes`.

        limit_bytes: `GraphRequest.max_response_bytes` of the request to be sent ahead.
        """
        return self._memory is None and self._last_bytes <= limit_bytes

    def read_response_ahead(self, access: AccessToken, request: GraphRequest) -> None:
        """Send a request in a thread. `take_response_read_ahead` returns its response."""
        reading = BackgroundTask(lambda: self._exchange(access, request))
        self._ahead = request, reading

    def take_response_read_ahead(self, request: GraphRequest) -> GraphResponse | None:
        """Wait for the response to the request that was sent ahead, and return it. Return None if
        this request was not sent ahead, or must be sent again.

        If `request` is for another page, the response that was read ahead is dropped.
        """
        if self._ahead is None:
            return None
        sent, reading = self._ahead
        is_sent = sent.has_same_response_as(request)
        if not is_sent and request.page_size is None:
            return None
        self._ahead = None
        reading.wait()
        if not is_sent:
            return None
        response = self._counted(reading.result())
        return None if response.status in _NOT_USABLE_AHEAD else response

    def _counted(self, exchanged: tuple[GraphResponse, int]) -> GraphResponse:
        response, self._last_bytes = exchanged
        self.total_decompressed_response_bytes += self._last_bytes
        return response

    def _exchange(self, access: AccessToken, request: GraphRequest) -> tuple[GraphResponse, int]:
        """Return the response, and its decompressed size in bytes."""
        request_id = str(uuid.uuid4())
        headers = {
            "Authorization": f"Bearer {access.token}",
            "Accept": "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
            "Prefer": build_prefer_header(request.page_size),
            "client-request-id": request_id,
        }
        url = f"{self._base_url}{request.path}"
        try:
            with self._http.stream(
                request.method, url, headers=headers, json=request.content
            ) as streamed:
                content = self._read(streamed, request.max_response_bytes)
        except (httpx.HTTPError, httpx.InvalidURL, UnreadableBody) as error:
            name = type(error).__name__
            logger.warning("graph_unreachable", client_request_id=request_id, cause=name)
            return GraphResponse(MISSING_RESPONSE_STATUS), 0
        if content is None:
            logger.warning("graph_answer_too_large", client_request_id=request_id)
            return GraphResponse(TOO_LARGE_RESPONSE_STATUS), 0
        response = to_graph_response(streamed.status_code, streamed.headers, content)
        if not response.has_status_200:
            logger.warning(
                "graph_refused",
                status=response.status,
                code=response.error_code,
                client_request_id=request_id,
                request_id=streamed.headers.get("request-id"),
            )
        return response, len(content)

    def _read(self, streamed: httpx.Response, limit_bytes: int) -> bytearray | None:
        """Return the decompressed body, or None as soon as it exceeds the limit."""
        taken = 0

        def hold(size: int) -> None:
            nonlocal taken
            if self._memory and not self._memory.try_reserve_bytes(size):
                raise _MemoryFull
            taken += size

        content: bytearray | None = None
        try:
            encoding = streamed.headers.get("Content-Encoding")
            content = read_body_or_none_if_too_large(
                streamed.iter_raw(), encoding, limit_bytes, hold=hold
            )
        except _MemoryFull:
            raise ProviderUnavailable(
                "Microsoft Graph sent more at once than this function has memory for beside its"
                " other mailboxes; trying again."
            ) from None
        finally:
            if self._memory and content is None:  # the connection can break off in mid-body
                self._memory.release_bytes(taken)
        return content


class _MemoryFull(Exception):
    pass


def build_prefer_header(page_size: int | None) -> str:
    """Return the value of the `Prefer` header: immutable ids, and the page size.

    page_size: None: Graph decides the page size.
    """
    immutable = 'IdType="ImmutableId"'
    return f"{immutable}, odata.maxpagesize={page_size}" if page_size else immutable
