"""Send requests to Microsoft Graph: one connection, one access token, one base URL.

Every request, also a request for a link that Graph returned, has a path relative to the base URL.
So no link can send the access token to another host. Each request has the header `Prefer:
IdType="ImmutableId"`: a request without this header would mix two kinds of ids (Microsoft Graph
docs, "Obtain immutable identifiers for Outlook resources").
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote

from mailsync.decisions.budget import MAX_PAUSE_WITHOUT_WAIT_STATE_S
from mailsync.errors import ProviderRejected
from mailsync.metrics import PROVIDER_REQUESTS, PROVIDER_THROTTLES, add_to_provider_metric
from mailsync.model import AccessToken
from mailsync.providers import AccessTokenSource
from mailsync.providers.graph.connection import (
    MAX_READ_AHEAD_BYTES,
    GraphConnection,
    GraphRequest,
    build_prefer_header,
)
from mailsync.providers.graph.errors import (
    MISSING_RESPONSE_STATUS,
    TOO_LARGE_RESPONSE_STATUS,
    GraphResponse,
    RequestedResourceKind,
    to_mailsync_error,
)
from mailsync.providers.graph.responses import parse_batch_item, parse_object_list
from mailsync.providers.graph.urls import extract_url_origin, split_url_or_empty
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.providers.retry_budget import RetryBudget
from mailsync.registry import MICROSOFT

MAX_BATCH_REQUESTS = 20
"""The maximum number of requests in one `$batch` call (Microsoft Graph docs, "Combine multiple HTTP
requests")."""
MAX_REQUESTS_IN_FLIGHT = 4
"""The maximum number of concurrent requests of an app to a mailbox (Microsoft Graph docs,
"throttling limits"). Graph also processes at most this number of batch items at the same time.
Other apps of the tenant may use some of these requests (ADR 5)."""
MAX_RESPONSE_BYTES = 32 * 2**20
"""The size limit of one decompressed response, and of the responses to all batches of one call of
`get_batch` together. In memory the text of a response takes up to four times its size, and two
responses are held at the same time."""
MAX_READ_AHEAD_BATCH_BYTES = MAX_RESPONSE_BYTES // 2
"""The size limit of the response to a batch that is requested ahead. If the response before it is
larger, nothing is requested ahead. So both together have at most the size of one response."""
MAX_SINGLE_MESSAGE_RESPONSE_BYTES = 2 * MAX_RESPONSE_BYTES
"""The size limit of a response that is a single message. In such a response, the longest body that
is stored takes 16 to 96 MB; 96 MB if each of its characters is escaped."""
# Graph's own gateway gives up after 30 s (microsoft-graph-docs-contrib #1220).
_RESPONSE_TIMEOUT_S = 45.0
_DENIED_PAUSE_S = 1.0
# For failures that name no pause, such as items of a batch (outlook-dev-docs #144).
_DEFAULT_PAUSE_S = 2.0


class GraphClient:
    """An HTTP client for one mailbox; not thread-safe.

    mailbox: the mailbox in paths, `/me` or `/users/ID`.
    budget: seconds for pauses before retries of throttled and failed requests.
    on_request: function that is called with the quota cost of each call; a batch of n requests
        costs n.
    timeout_s: time limit of a single read from the connection.
    max_in_flight: maximum number of concurrent requests. The client lowers it, not below 1, if
        Graph rejects requests as too many at once.
    limit_bytes: maximum size of a response. None: `MAX_RESPONSE_BYTES`.
    memory: limits the bytes that responses hold in memory until `close`. None: no limit.
    total_decompressed_response_bytes: decompressed size of all responses so far.

    If no complete response arrives, or a response with status 200 is no JSON object, the returned
    response has MISSING_RESPONSE_STATUS.

    Every method that sends a request may raise AccessRevoked, ProviderThrottled (during a pause
    that Graph requested, without sending the request) and ProviderUnavailable (also if `memory` has
    no room for the response).
    """

    def __init__(
        self,
        *,
        base_url: str,
        mailbox: str,
        access: AccessTokenSource,
        ca_bundle: str | None,
        budget: RetryBudget,
        on_request: Callable[[int], None],
        timeout_s: float = _RESPONSE_TIMEOUT_S,
        max_in_flight: int | None = None,
        limit_bytes: int | None = None,
        memory: ResponseMemoryShare | None = None,
    ) -> None:
        self._batches_end = 0
        self._last_token: AccessToken | None = None
        self._limit_bytes = limit_bytes
        self.mailbox = mailbox
        self.max_in_flight = min(max_in_flight or MAX_REQUESTS_IN_FLIGHT, MAX_REQUESTS_IN_FLIGHT)
        self._fewer = max(1, self.max_in_flight - 1)
        self._throttled_until = 0.0
        self._base_url = base_url
        self._access = access
        self._budget = budget
        self._on_request = on_request
        self._connection = GraphConnection(
            base_url=base_url, ca_bundle=ca_bundle, timeout_s=timeout_s, memory=memory
        )

    @property
    def total_decompressed_response_bytes(self) -> int:
        return self._connection.total_decompressed_response_bytes

    @property
    def remaining_provider_pause_s(self) -> float:
        """Return the remaining seconds of a pause that Graph requested. Return 0 without a
        pause."""
        return max(0.0, self._throttled_until - time.monotonic())

    def close(self) -> None:
        self._connection.close()

    def get(
        self, path: str, *, page_size: int | None = None, is_one_message: bool = False
    ) -> GraphResponse:
        """Send a GET request and return its response.

        page_size: maximum number of entries of a requested page. A failed request for a page is
            retried only if Graph throttled it and named a pause; after any other failure the caller
            may request a smaller page. None: the request is not for a page; it is retried.
        is_one_message: the response is a single message, so its size limit is
            `MAX_SINGLE_MESSAGE_RESPONSE_BYTES`.

        A response that exceeds the size limit has TOO_LARGE_RESPONSE_STATUS.
        """
        limit_bytes = MAX_SINGLE_MESSAGE_RESPONSE_BYTES if is_one_message else self._limit()
        request = GraphRequest("GET", path, limit_bytes, page_size)
        return self._send_with_retries(request, retries=not page_size)

    def read_page_ahead(self, path: str, *, page_size: int) -> None:
        """Send the request for the next page in a thread, before the caller needs the page. A later
        `get` for this page returns the response, also if it is a failure. If the response is too
        large or has status 401, `get` sends the request again.

        Do nothing before the first request, during a pause that Graph requested, if several
        mailboxes share the memory, or if the last response was large. The request uses the access
        token of the last request: no token is renewed for a page that may not be needed.
        """
        limit_bytes = min(self._limit(), MAX_READ_AHEAD_BYTES)
        self._send_request_ahead(GraphRequest("GET", path, limit_bytes, page_size))

    def read_batch_ahead(self, paths: Sequence[str], *, page_size: int) -> None:
        """Send one batch in a thread, before the caller needs it. `get_batch` with these paths
        returns the responses. Do nothing in the cases that `read_page_ahead` names, if the paths
        need several batches, or if the mailbox accepts fewer than four requests at once."""
        is_limited = self.max_in_flight < MAX_REQUESTS_IN_FLIGHT
        if 0 < len(paths) <= MAX_BATCH_REQUESTS and not is_limited:
            limit_bytes = min(self._limit(), MAX_READ_AHEAD_BATCH_BYTES)
            self._send_request_ahead(_batch_request(paths, page_size, limit_bytes))

    def _send_request_ahead(self, request: GraphRequest) -> None:
        is_free = self._connection.can_read_ahead(request.max_response_bytes)
        if self._last_token and is_free and not self.remaining_provider_pause_s:
            self._count(request)
            self._connection.read_response_ahead(self._last_token, request)

    def get_batch(
        self, paths: Sequence[str], *, page_size: int | None = None
    ) -> list[GraphResponse]:
        """Send GET requests as batches of at most 20 paths; return the responses in the order of
        the paths.

        Failed items are retried without the items that succeeded. An item without a response of
        Graph has MISSING_RESPONSE_STATUS. The client's size limit is for all batches together: if
        the response to a batch exceeds what is left of the limit, the items of this batch have
        TOO_LARGE_RESPONSE_STATUS.

        page_size: maximum number of entries of each requested page; only throttled items are
            retried. None: the requests are not for pages.

        Raises:
            ProviderThrottled, ProviderRejected: Graph rejected a batch as a whole.
        """
        responses: list[GraphResponse] = []
        self._batches_end = self.total_decompressed_response_bytes + self._limit()
        for start in range(0, len(paths), MAX_BATCH_REQUESTS):
            part = paths[start : start + MAX_BATCH_REQUESTS]
            responses += self._get_with_retries(part, page_size)
        return responses

    def send_write_request(self, method: str, path: str, content: Any = None) -> GraphResponse:
        """Send a request that changes data at Graph. Retry it only if Graph throttled it and named
        a pause: Graph has then not acted on the request."""
        request = GraphRequest(method, path, self._limit(), content=content)
        return self._send_with_retries(request, retries=False)

    def extract_path_from_link(self, link: object) -> str:
        """Return the path, relative to the base URL, of a link that Graph returned.

        Raises:
            ProviderRejected: the link leads to another host, which would receive the access token.
        """
        url, base = split_url_or_empty(link), split_url_or_empty(self._base_url)
        if extract_url_origin(url) != extract_url_origin(base) or not url.path.startswith(
            f"{base.path}/"
        ):
            raise ProviderRejected(
                "Microsoft Graph returned a link to another host than GRAPH_URL. Mailsync does not"
                " follow it, since that host would receive the access token."
            )
        path = url.path.removeprefix(base.path)
        return f"{path}?{url.query}" if url.query else path

    def _get_with_retries(self, paths: Sequence[str], page_size: int | None) -> list[GraphResponse]:
        """Send the paths as batches, and retry only the failed items. If Graph throttles a part of
        the items, send fewer at once from then on. If a retry has fewer throttled items than the
        attempt before, the count of retries starts again at 0."""
        responses = self._send_batches(paths, page_size)
        repeat = 0
        while pauses := _pauses_s(responses, retries=page_size is None):
            refused = sum(responses[at].is_throttled for at in pauses)
            if any(responses[at].is_concurrency_limit_exceeded for at in pauses) or _is_share(
                refused, len(paths)
            ):
                self.max_in_flight = max(1, self.max_in_flight - 1)
            if not self._budget.sleep_if_budget_allows(max(pauses.values()), repeat):
                self._note_pause(responses)
                break
            again = self._send_batches([paths[at] for at in pauses], page_size)
            repeat = 0 if sum(response.is_throttled for response in again) < refused else repeat + 1
            for at, response in zip(pauses, again, strict=True):
                responses[at] = response
        return responses

    def _send_batches(self, paths: Sequence[str], page_size: int | None) -> list[GraphResponse]:
        """Send the paths as batches of 20 paths, or of `max_in_flight` paths if that is below four.
        Paths that are not sent because Graph requested a pause get the status 429."""
        is_limited = self.max_in_flight < MAX_REQUESTS_IN_FLIGHT
        size = self.max_in_flight if is_limited else MAX_BATCH_REQUESTS
        responses: list[GraphResponse] = []
        for start in range(0, len(paths), size):
            if self.remaining_provider_pause_s:
                break
            responses += self._send_batch(paths[start : start + size], page_size)
        unsent = GraphResponse(429, retry_after_s=self.remaining_provider_pause_s)
        return responses + [unsent] * (len(paths) - len(responses))

    def _send_batch(self, paths: Sequence[str], page_size: int | None) -> list[GraphResponse]:
        """Send one batch. If Graph rejects the access token for some items, renew the token once
        and send these items again."""
        responses = self._send_items(paths, page_size)
        refused = [at for at, response in enumerate(responses) if response.status == 401]
        if refused and self._renewed(self._access.get_current_token()):
            again = self._send_items([paths[at] for at in refused], page_size)
            for at, response in zip(refused, again, strict=True):
                responses[at] = response
        return responses

    def _send_items(self, paths: Sequence[str], page_size: int | None) -> list[GraphResponse]:
        left_bytes = self._batches_end - self.total_decompressed_response_bytes
        response = GraphResponse(TOO_LARGE_RESPONSE_STATUS)
        if left_bytes > 0:
            request = _batch_request(paths, page_size, left_bytes)
            response = self._send_with_retries(request, retries=True)
        if response.status == TOO_LARGE_RESPONSE_STATUS:
            return [response] * len(paths)
        if not response.has_status_200:
            raise to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
        answers = parse_object_list(response, "responses")
        found = {each.get("id"): parse_batch_item(each) for each in answers}
        _count_throttles(found.values())
        self._note_pause(found.values(), longer_than_s=MAX_PAUSE_WITHOUT_WAIT_STATE_S)
        return [
            found.get(str(place), GraphResponse(MISSING_RESPONSE_STATUS))
            for place in range(len(paths))
        ]

    def _send_with_retries(self, request: GraphRequest, *, retries: bool) -> GraphResponse:
        response = self._send_authorized(request)
        repeat = 0
        while self._budget.sleep_if_budget_allows(_pause_s(response, retries=retries), repeat):
            repeat += 1
            response = self._send_authorized(request)
        self._note_pause([response])
        if response.is_concurrency_limit_exceeded:
            self.max_in_flight = min(self.max_in_flight, self._fewer)
        return response

    def _send_authorized(self, request: GraphRequest) -> GraphResponse:
        """Send a request; renew a rejected access token once, and repeat a denied request once.

        Raises:
            ProviderThrottled: a pause that Graph asked for earlier is not over.
        """
        if self.remaining_provider_pause_s:
            raise to_mailsync_error(
                GraphResponse(429, retry_after_s=self.remaining_provider_pause_s),
                RequestedResourceKind.IN_MAILBOX,
            )
        access = self._access.get_current_token()
        response = self._send(access, request)
        if response.status == 401:
            renewed = self._renewed(access)
            return self._send(renewed, request) if renewed else response
        # Too many requests at once are sometimes answered as denied instead of throttled.
        denied = response.status == 403 and response.error_code == "ErrorAccessDenied"
        if denied and self._budget.sleep_if_budget_allows(_DENIED_PAUSE_S, repeat=0):
            return self._send(access, request)
        return response

    def _note_pause(
        self, responses: Iterable[GraphResponse], *, longer_than_s: float = 0.0
    ) -> None:
        """Note the longest pause that these responses request. Until its end nothing is sent.

        longer_than_s: ignore pauses of at most this many seconds.
        """
        asked = [each.retry_after_s or 0.0 for each in responses if each.is_throttled]
        pause_s = max(asked, default=0.0)
        if pause_s > longer_than_s:
            self._throttled_until = max(self._throttled_until, time.monotonic() + pause_s)

    def _renewed(self, refused: AccessToken) -> AccessToken | None:
        """Return a new access token instead of the rejected one. None: the rejected token is too
        new to be renewed."""
        renewed = self._access.get_token_after_refusal(refused)
        return None if renewed.token == refused.token else renewed

    def _send(self, access: AccessToken, request: GraphRequest) -> GraphResponse:
        self._last_token = access
        response = self._connection.take_response_read_ahead(request)
        if response is None:
            self._count(request)
            response = self._connection.send(access, request)
        _count_throttles([response])
        return response

    def _count(self, request: GraphRequest) -> None:
        self._on_request(request.quota_cost)
        add_to_provider_metric(PROVIDER_REQUESTS, MICROSOFT, request.quota_cost)

    def _limit(self) -> int:
        return self._limit_bytes or MAX_RESPONSE_BYTES


def _batch_request(paths: Sequence[str], page_size: int | None, limit_bytes: int) -> GraphRequest:
    headers = {"Prefer": build_prefer_header(page_size)}
    items = [
        {"id": str(place), "method": "GET", "url": path, "headers": headers}
        for place, path in enumerate(paths)
    ]
    return GraphRequest(
        "POST", "/$batch", limit_bytes, content={"requests": items}, quota_cost=len(paths)
    )


def _is_share(refused: int, asked: int) -> bool:
    """Return whether concurrency is the likely reason for the throttled items of a batch: at least
    two items and a quarter of the batch were throttled, but not the whole batch."""
    return 2 <= refused < asked and refused * 4 >= asked


def _count_throttles(responses: Iterable[GraphResponse]) -> None:
    throttled = sum(each.is_throttled for each in responses)
    if throttled:
        add_to_provider_metric(PROVIDER_THROTTLES, MICROSOFT, throttled)


def build_mailbox_path(user: str | None) -> str:
    """Return the API path of the mailbox of a user (an id or address); `/me` if `user` is None."""
    return f"/users/{quote(user, safe='')}" if user else "/me"


def _pause_s(response: GraphResponse, *, retries: bool) -> float | None:
    """Return the seconds to wait before a retry. None: do not retry.

    retries: whether to retry failures for which Graph names no pause.
    """
    if response.is_throttled and response.retry_after_s is not None:
        return response.retry_after_s
    return _DEFAULT_PAUSE_S if retries and response.is_retryable else None


def _pauses_s(responses: Sequence[GraphResponse], *, retries: bool) -> dict[int, float]:
    """Return, by position in the batch, the seconds to wait before each response's retry."""
    found = ((at, _pause_s(response, retries=retries)) for at, response in enumerate(responses))
    return {at: pause for at, pause in found if pause is not None}
