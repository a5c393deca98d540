"""Send requests to the Gmail API: some connections, one access token, one base URL.

All paths begin with `users/me`, so a token can only read the mailbox that it was granted for. The
client takes the units of a request from the quota before it sends the request.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx

from mailsync.errors import ProviderThrottled, ProviderUnavailable
from mailsync.log import logger
from mailsync.metrics import PROVIDER_REQUESTS, PROVIDER_THROTTLES, add_to_provider_metric
from mailsync.model import AccessToken
from mailsync.providers import AccessTokenSource
from mailsync.providers.gmail.errors import (
    MISSING_RESPONSE_STATUS,
    TOO_LARGE_RESPONSE_STATUS,
    UNSENT_REQUEST_STATUS,
    GmailResponse,
)
from mailsync.providers.gmail.responses import MalformedResponse, to_gmail_response
from mailsync.providers.quota import QuotaUnitSource
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.providers.retry_budget import RetryBudget
from mailsync.providers.tls import http_tls_context
from mailsync.registry import GOOGLE
from mailsync.response_body import ACCEPT_ENCODING, UnreadableBody, read_body_or_none_if_too_large

MAX_REQUESTS_IN_FLIGHT = 10
"""The maximum number of concurrent requests to a mailbox. Gmail limits them for all applications of
a user together; 48 were accepted and 64 were not (captures of
allodia-eu/email-calendar-sync-engine)."""
MAX_REQUESTS_IN_FLIGHT_IF_SHARED = 4
"""The maximum number of concurrent requests of one worker while other workers use the mailbox too.
The number of workers can reach `MAX_REQUESTS_IN_FLIGHT`."""
MAX_RESPONSE_BYTES = 32 * 2**20
"""The size limit of a decompressed response that contains no whole message."""
MAX_MESSAGE_RESPONSE_BYTES = 72 * 2**20
"""The size limit of a decompressed response with a whole message: base64 of 54 MB."""
MIN_LARGE_RESPONSE_BYTES = 6 * 2**20
"""The size from which on a response is large. The threads of a client read only one large response
at a time."""
MIN_REFUSED_REQUESTS_TO_BLAME_MAILBOX = 3
"""The number of refusals (status 403) from which on the mailbox counts as their cause, and no
further request is sent."""
_PATH = "/gmail/v1/users/me/"
_RESPONSE_TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 10.0
_TRANSIENT_PAUSE_S = 1.0

AnyConvertedResponse = TypeVar("AnyConvertedResponse")


@dataclass(frozen=True, slots=True)
class GmailRequest:
    """A GET request.

    path: path relative to the mailbox, with ids quoted.
    quota_units: cost in units of the quota.
    params: names and values of the query; a name can occur several times.
    is_for_whole_message: whether the response contains whole messages, so that it may be large.
    """

    path: str
    quota_units: int
    params: tuple[tuple[str, str], ...] = ()
    is_for_whole_message: bool = False


def join_quoted_path_parts(*parts: str) -> str:
    """Return a path made of these parts; special characters of a part are quoted."""
    return "/".join(quote(part, safe="") for part in parts)


class GmailClient:
    """An HTTP client for one mailbox. Only one thread calls its methods.

    base_url: scheme and host of the API.
    budget: seconds for pauses before retries of throttled and failed requests.
    quota: allowance of the mailbox and the project. None: no limit.
    on_units: function that is called with the quota units that sent requests have cost.
    max_in_flight: maximum number of concurrent requests. The client lowers it, not below 1, if
        Gmail refuses requests as too many at once.
    memory: the mailbox's share of the memory for responses. Each response counts against it until
        its messages are parsed. None: no limit.

    During a pause that Gmail requested, `get` and `get_concurrently` raise ProviderThrottled.
    """

    def __init__(
        self,
        *,
        base_url: str,
        access: AccessTokenSource,
        ca_bundle: str | None,
        budget: RetryBudget,
        on_units: Callable[[int], None],
        quota: QuotaUnitSource | None = None,
        max_in_flight: int | None = None,
        memory: ResponseMemoryShare | None = None,
    ) -> None:
        self.max_in_flight = min(max_in_flight or MAX_REQUESTS_IN_FLIGHT, MAX_REQUESTS_IN_FLIGHT)
        self._base_url = base_url.rstrip("/")
        self._access = access
        self._budget = budget
        self._quota = quota
        self._on_units = on_units
        self._body_reader = ResponseBodyReader(memory)
        self._throttled_until = 0.0
        self._http = httpx.Client(
            verify=http_tls_context(ca_bundle),
            timeout=httpx.Timeout(_RESPONSE_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
            follow_redirects=False,
            trust_env=False,
        )

    @property
    def remaining_provider_pause_s(self) -> float:
        """Return the remaining seconds of a pause that Gmail requested. Return 0 without a
        pause."""
        return max(0.0, self._throttled_until - time.monotonic())

    def close(self) -> None:
        self._http.close()
        self._body_reader.release_memory()

    def sleep_if_retry_budget_allows(self, seconds: float) -> bool:
        """Sleep and return True. Return False without sleeping if the budget does not allow the
        pause."""
        return self._budget.sleep_if_budget_allows(seconds, 0)

    def get(self, request: GmailRequest) -> GmailResponse:
        """Send one request and return its response. Retry the request after short pauses while a
        retry may succeed."""
        [response] = self.get_concurrently([request], lambda _, response: response)
        return response

    def get_concurrently(
        self,
        requests: Sequence[GmailRequest],
        convert: Callable[[GmailRequest, GmailResponse], AnyConvertedResponse],
        *,
        is_shared: bool = False,
    ) -> list[AnyConvertedResponse | GmailResponse]:
        """Send requests, several at the same time. Return one result per request, in the order of
        the requests: the converted response, or the response itself if it is a failure.

        convert: function that converts a response. Several threads call it at the same time, so
            that each large response is dropped before the next one is read. If it raises
            MalformedResponse, the request is sent again after a pause; if it still raises, the
            result has MISSING_RESPONSE_STATUS.
        is_shared: other workers send requests to the mailbox too, so send fewer at the same time.

        Raises:
            ProviderThrottled: the quota lacks the units for all requests, or for a retry.
        """
        results, repeat = self._send_all(requests, convert, is_shared) if requests else [], 0
        while again := _repeatable(results):
            failed = [results[at] for at in again]
            pause_s = self._note_refusals(failed)
            if not self._budget.sleep_if_budget_allows(pause_s, repeat):
                self._note_pause(failed)
                break
            sent = self._send_all([requests[at] for at in again], convert, is_shared)
            repeat = 0 if len(_repeatable(sent)) < len(sent) else repeat + 1
            for at, result in zip(again, sent, strict=True):
                results[at] = result
        return results

    def _note_refusals(self, failed: Sequence[Any]) -> float:
        """Store an exhausted quota's pause, or lower `max_in_flight`. Return the seconds to
        wait."""
        throttled = [each for each in failed if each.is_throttled]
        exhausted = [each for each in throttled if not each.is_concurrency_limit_exceeded]
        if len(exhausted) < len(throttled):
            self.max_in_flight = max(1, self.max_in_flight // 2)
        if exhausted and self._quota:
            self._quota.save_throttle_pause(
                max(each.pause_s for each in exhausted),
                is_project=any(each.is_project_quota_exceeded for each in exhausted),
            )
        return max((each.pause_s for each in throttled), default=_TRANSIENT_PAUSE_S)

    def _note_pause(self, failed: Sequence[Any]) -> None:
        """Send nothing until the longest pause in these responses is over."""
        pause_s = max((each.pause_s for each in failed if each.is_throttled), default=0.0)
        self._throttled_until = max(self._throttled_until, time.monotonic() + pause_s)

    def _send_all(
        self,
        requests: Sequence[GmailRequest],
        convert: Callable[[GmailRequest, GmailResponse], AnyConvertedResponse],
        is_shared: bool,
    ) -> list[AnyConvertedResponse | GmailResponse]:
        """Send each request once; renew a rejected access token once."""
        token = self._access.get_current_token()
        results = self._send_with_token(token, requests, convert, is_shared)
        refused = [
            at for at, each in enumerate(results) if _has_status(each, 401, UNSENT_REQUEST_STATUS)
        ]
        if any(_has_status(each, 401) for each in results):
            renewed = self._access.get_token_after_refusal(token)
            if renewed.token != token.token:
                part = [requests[at] for at in refused]
                sent = self._send_with_token(renewed, part, convert, is_shared)
                for at, result in zip(refused, sent, strict=True):
                    results[at] = result
        return results

    def _send_with_token(
        self,
        token: AccessToken,
        requests: Sequence[GmailRequest],
        convert: Callable[[GmailRequest, GmailResponse], AnyConvertedResponse],
        is_shared: bool,
    ) -> list[AnyConvertedResponse | GmailResponse]:
        if self.remaining_provider_pause_s:
            raise ProviderThrottled(
                "The pause that Gmail requested is not over.",
                retry_after_s=self.remaining_provider_pause_s,
            )
        if self._quota:
            self._quota.take_units(sum(each.quota_units for each in requests))
        wave = _Wave(self._http, self._base_url, token, self._body_reader)
        at_once = MAX_REQUESTS_IN_FLIGHT_IF_SHARED if is_shared else MAX_REQUESTS_IN_FLIGHT
        workers = min(self.max_in_flight, at_once, len(requests))
        if workers <= 1:
            results = [wave.exchange(each, convert) for each in requests]
        else:
            with ThreadPoolExecutor(workers, "gmail") as pool:
                results = list(pool.map(lambda each: wave.exchange(each, convert), requests))
        self._count(requests, results)
        return results

    def _count(self, requests: Sequence[GmailRequest], results: Sequence[object]) -> None:
        pairs = zip(requests, results, strict=True)
        units = sum(
            one.quota_units for one, each in pairs if not _has_status(each, UNSENT_REQUEST_STATUS)
        )
        self._on_units(units)
        add_to_provider_metric(PROVIDER_REQUESTS, GOOGLE, units)
        throttled = sum(isinstance(each, GmailResponse) and each.is_throttled for each in results)
        if throttled:
            add_to_provider_metric(PROVIDER_THROTTLES, GOOGLE, throttled)


class _Wave:
    """Some requests with the same access token, which several threads send.

    After a refusal that concerns the whole mailbox, no further request is sent.
    """

    def __init__(
        self, http: httpx.Client, base_url: str, token: AccessToken, reader: "ResponseBodyReader"
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._reader = reader
        self._headers = {
            "Authorization": f"Bearer {token.token}",
            "Accept": "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
        }
        self._refusals = 0
        self._is_stopped = False

    def exchange(
        self,
        request: GmailRequest,
        convert: Callable[[GmailRequest, GmailResponse], AnyConvertedResponse],
    ) -> AnyConvertedResponse | GmailResponse:
        if self._is_stopped:
            return GmailResponse(UNSENT_REQUEST_STATUS)
        with ExitStack() as held:
            response = self._receive(request, held)
            if response.has_status_200:
                try:
                    return convert(request, response)
                except MalformedResponse as wrong:
                    logger.warning("gmail_wrong_response", path=_kind(request), field=str(wrong))
                    return GmailResponse(MISSING_RESPONSE_STATUS)
        self._refusals += response.status == 403
        if not response.is_concurrency_limit_exceeded and (
            response.is_refusal_of_whole_mailbox
            or self._refusals >= MIN_REFUSED_REQUESTS_TO_BLAME_MAILBOX
        ):
            self._is_stopped = True
        return response

    def _receive(self, request: GmailRequest, held: ExitStack) -> GmailResponse:
        url = f"{self._base_url}{_PATH}{request.path}"
        if request.params:
            url = f"{url}?{urlencode(request.params)}"
        limit_bytes = (
            MAX_MESSAGE_RESPONSE_BYTES if request.is_for_whole_message else MAX_RESPONSE_BYTES
        )
        try:
            with self._http.stream("GET", url, headers=self._headers) as streamed:
                content = self._reader.read(streamed, limit_bytes, held)
        except (httpx.HTTPError, httpx.InvalidURL, UnreadableBody) as error:
            logger.warning("gmail_unreachable", path=_kind(request), cause=type(error).__name__)
            return GmailResponse(MISSING_RESPONSE_STATUS)
        if content is None:
            return GmailResponse(TOO_LARGE_RESPONSE_STATUS)
        response = to_gmail_response(streamed.status_code, streamed.headers, content)
        if not response.has_status_200:
            logger.warning(
                "gmail_refused",
                path=_kind(request),
                status=response.status,
                reason=response.error_reason,
            )
        return response


class ResponseBodyReader:
    """Reads the bodies of responses. Several threads read at the same time, but only one of them a
    large body.

    memory: the mailbox's share of the memory for responses. None: no limit.
    """

    def __init__(self, memory: ResponseMemoryShare | None) -> None:
        self._memory = memory
        self._lock = Lock()
        self._large = Lock()

    def read(self, streamed: httpx.Response, limit_bytes: int, held: ExitStack) -> bytearray | None:
        """Return the decompressed body. Return None as soon as it exceeds `limit_bytes`.

        held: the caller's exit stack. When the caller closes it, the body's memory is released, and
            another thread may read a large body.

        Raises:
            ProviderUnavailable: the function has no memory for the body, because other mailboxes
                use it.
        """
        size, is_large = 0, False

        def hold(chunk: int) -> None:
            nonlocal size, is_large
            if size + chunk > MIN_LARGE_RESPONSE_BYTES and not is_large:
                held.enter_context(self._large)
                is_large = True
            self._reserve(chunk)
            size += chunk

        held.callback(lambda: self._release(size))
        encoding = streamed.headers.get("Content-Encoding")
        return read_body_or_none_if_too_large(streamed.iter_raw(), encoding, limit_bytes, hold=hold)

    def release_memory(self) -> None:
        """Release all memory of this mailbox."""
        if self._memory:
            self._memory.close()

    def _reserve(self, size: int) -> None:
        with self._lock:
            if self._memory and not self._memory.try_reserve_bytes(size):
                raise ProviderUnavailable(
                    "Gmail sent more at once than this function has memory for beside its other"
                    " mailboxes; trying again."
                )

    def _release(self, size: int) -> None:
        with self._lock:
            if self._memory:
                self._memory.release_bytes(size)


def _repeatable(results: Sequence[object]) -> list[int]:
    """Return the positions of the requests that may succeed if they are sent again. Return an empty
    list if Gmail refuses the whole mailbox for a lasting reason."""
    failed = {at: each for at, each in enumerate(results) if isinstance(each, GmailResponse)}
    lasting = [each for each in failed.values() if not each.is_retryable]
    refusals = sum(each.status == 403 for each in lasting)
    if refusals >= MIN_REFUSED_REQUESTS_TO_BLAME_MAILBOX or any(
        each.is_refusal_of_whole_mailbox for each in lasting
    ):
        return []
    return [at for at, each in failed.items() if each.is_retryable]


def _has_status(result: object, *statuses: int) -> bool:
    return isinstance(result, GmailResponse) and result.status in statuses


def _kind(request: GmailRequest) -> str:
    """Return the first segment of the path for the log; it contains no id."""
    return request.path.partition("/")[0]
