"""Requests to Microsoft Graph: one connection, one token, and no way out of the base URL.

Everything is asked by a path relative to the base URL, links that Graph hands out included, so
the access token cannot be led to another host. Each request carries `Prefer:
IdType="ImmutableId"`: it counts per request, and a single one without it would mix two kinds
of ids (Microsoft Graph docs, "Obtain immutable identifiers for Outlook resources").
"""

import ssl
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import httpx

from mailsync.decisions.budget import MAX_PAUSE_S
from mailsync.errors import ProviderRejected, ProviderUnavailable
from mailsync.log import logger
from mailsync.metrics import PROVIDER_REQUESTS, PROVIDER_THROTTLES, count
from mailsync.model import Access
from mailsync.providers import AccessTokenSource
from mailsync.providers.graph.answers import read_answer, read_item
from mailsync.providers.graph.errors import NO_RESPONSE, TOO_LARGE, GraphResponse, Target, to_error
from mailsync.providers.response_memory import MemoryShare
from mailsync.providers.retry_budget import RetryBudget
from mailsync.response_body import ACCEPT_ENCODING, UnreadableBody, read_body

BATCH_LIMIT = 20
"""Requests in one `$batch` (Microsoft Graph docs, "Combine multiple HTTP requests")."""
MAX_IN_FLIGHT = 4
"""Requests of one app to one mailbox at a time (Microsoft Graph docs, "throttling limits"); as many
items of a batch are worked on at once. Other apps of a tenant may use some of them."""
ANSWER_LIMIT_BYTES = 32 * 2**20
"""Of one answer, unpacked, and of all batches of one call together. In memory its text is up to
four times as large, and is held twice."""
MESSAGE_LIMIT_BYTES = 2 * ANSWER_LIMIT_BYTES
"""Of the answer that is a single message: nothing smaller can be asked for. A body at the limit of
what is stored has 16 to 96 MB, the latter if each of its characters is escaped."""
# Graph's own gateway gives up after 30 s (microsoft-graph-docs-contrib #1220).
_ANSWERS_IN_S = 45.0
_CONNECTS_IN_S = 10.0
_DENIED_PAUSE_S = 1.0
# For failures that name none, such as items of a batch (outlook-dev-docs #144).
_UNSAID_PAUSE_S = 2.0
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class _Request:
    """`limit_bytes` is how large its answer may be, `requests` how many it is to Graph's quota."""

    method: str
    path: str
    headers: Mapping[str, str]
    limit_bytes: int
    content: Any = None
    requests: int = 1


class GraphClient:
    """Not for use by several threads. `on_request` gets the number of requests of each call, as
    Graph counts them: a batch of n is n.

    `mailbox` is how paths name the mailbox, `/me` or `/users/ID`. `answers_in_s` bounds a single
    read from the connection. `max_in_flight` is how many requests may be in flight at a time; it
    falls, never below 1, as Graph refuses some for being too many at once. No answer is read beyond
    `limit_bytes`, by default `ANSWER_LIMIT_BYTES`; `received_bytes` is the size of all, unpacked.
    What they hold is taken from `memory`, if there is one, and given back by `close`.

    What was throttled, or failed for the moment, is asked again after a pause, as far as
    `budget` goes: a listing of many requests must not begin anew for one of them. What does
    not arrive as whole JSON is NO_RESPONSE.

    Every method raises what `AccessTokenSource` raises: AccessRevoked when there is no access token to
    be had until a person acts, ProviderThrottled and ProviderUnavailable for the moment; and
    ProviderThrottled during a longer pause that Graph asked for, in which nothing is sent, and
    ProviderUnavailable when `memory` has no room for the answer.
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
        answers_in_s: float = _ANSWERS_IN_S,
        max_in_flight: int | None = None,
        limit_bytes: int | None = None,
        memory: MemoryShare | None = None,
    ) -> None:
        self.received_bytes = self._batches_end = 0
        self._memory = memory
        self._limit_bytes = limit_bytes
        self.mailbox = mailbox
        self.max_in_flight = min(max_in_flight or MAX_IN_FLIGHT, MAX_IN_FLIGHT)
        self._fewer = max(1, self.max_in_flight - 1)
        self._throttled_until = 0.0
        self._base_url = base_url
        self._access = access
        self._budget = budget
        self._on_request = on_request
        self._http = httpx.Client(
            verify=ssl.create_default_context(cafile=ca_bundle),
            timeout=httpx.Timeout(answers_in_s, connect=min(_CONNECTS_IN_S, answers_in_s)),
            follow_redirects=False,
            trust_env=False,
        )

    @property
    def throttled_for_s(self) -> float:
        """Seconds until the end of a pause that Graph asked for and that was not slept here."""
        return max(0.0, self._throttled_until - time.monotonic())

    def close(self) -> None:
        self._http.close()
        if self._memory:
            self._memory.close()

    def get(
        self, path: str, *, page_size: int | None = None, is_one_message: bool = False
    ) -> GraphResponse:
        """A page is not insisted on when it fails: a smaller one may pass.

        The answer is TOO_LARGE beyond the limit, or `MESSAGE_LIMIT_BYTES` if it is one message.
        """
        limit_bytes = MESSAGE_LIMIT_BYTES if is_one_message else self._limit()
        request = _Request("GET", path, {"Prefer": prefer(page_size)}, limit_bytes)
        return self._ask(request, insists=not page_size)

    def get_batch(
        self, paths: Sequence[str], *, page_size: int | None = None
    ) -> list[GraphResponse]:
        """The answers in the order of the paths, 20 of them per call.

        Items fail one by one, and only those are asked again. What was left out of the answer
        comes back as NO_RESPONSE. All of a batch is TOO_LARGE if the answers of this call together
        would exceed the limit with it.

        Raises:
            ProviderThrottled, ProviderRejected: the batch as a whole was refused.
        """
        answers: list[GraphResponse] = []
        self._batches_end = self.received_bytes + self._limit()
        for start in range(0, len(paths), BATCH_LIMIT):
            answers += self._get_again(paths[start : start + BATCH_LIMIT], page_size)
        return answers

    def send(self, method: str, path: str, content: Any = None) -> GraphResponse:
        """A request that writes, so it is repeated only when it was refused untouched."""
        return self._ask(_Request(method, path, {}, self._limit(), content), insists=False)

    def path_of(self, link: object) -> str:
        """The path of a link that Graph handed out, relative to the base URL, otherwise verbatim.

        Raises:
            ProviderRejected: the link leads elsewhere; following it would give the token away.
        """
        url, base = _split(link), urlsplit(self._base_url)
        if _origin(url) != _origin(base) or not url.path.startswith(f"{base.path}/"):
            raise ProviderRejected(
                "Microsoft Graph handed out a link that leads away from GRAPH_URL; it is not"
                " followed, since the access token would go there."
            )
        path = url.path.removeprefix(base.path)
        return f"{path}?{url.query}" if url.query else path

    def _get_again(self, paths: Sequence[str], page_size: int | None) -> list[GraphResponse]:
        """Ask for the refused items alone, with fewer in flight, as long as that gets on."""
        answers = self._send_batches(paths, page_size)
        repeat = 0
        while pauses := _pauses_s(answers, insists=page_size is None):
            refused = sum(answers[at].throttled for at in pauses)
            if any(answers[at].is_crowded for at in pauses) or _is_share(refused, len(paths)):
                self.max_in_flight = max(1, self.max_in_flight - 1)
            if not self._budget.pause(max(pauses.values()), repeat):
                self._note_pause(answers)
                break
            again = self._send_batches([paths[at] for at in pauses], page_size)
            repeat = 0 if sum(answer.throttled for answer in again) < refused else repeat + 1
            for at, answer in zip(pauses, again, strict=True):
                answers[at] = answer
        return answers

    def _send_batches(self, paths: Sequence[str], page_size: int | None) -> list[GraphResponse]:
        """Graph works on four items of a batch at once, so fewer may be in one where it must."""
        size = BATCH_LIMIT if self.max_in_flight == MAX_IN_FLIGHT else self.max_in_flight
        answers: list[GraphResponse] = []
        for start in range(0, len(paths), size):
            if self.throttled_for_s:
                break
            answers += self._send_batch(paths[start : start + size], page_size)
        unsent = GraphResponse(429, retry_after_s=self.throttled_for_s)
        return answers + [unsent] * (len(paths) - len(answers))

    def _send_batch(self, paths: Sequence[str], page_size: int | None) -> list[GraphResponse]:
        """The answers after a refused token was renewed, also where single items refused it."""
        answers = self._send_items(paths, page_size)
        refused = [at for at, answer in enumerate(answers) if answer.status == 401]
        if refused and self._renewed(self._access.current()):
            again = self._send_items([paths[at] for at in refused], page_size)
            for at, answer in zip(refused, again, strict=True):
                answers[at] = answer
        return answers

    def _send_items(self, paths: Sequence[str], page_size: int | None) -> list[GraphResponse]:
        headers = {"Prefer": prefer(page_size)}
        items = [
            {"id": str(place), "method": "GET", "url": path, "headers": headers}
            for place, path in enumerate(paths)
        ]
        left_bytes = self._batches_end - self.received_bytes
        request = _Request("POST", "/$batch", {}, left_bytes, {"requests": items}, len(paths))
        answer = self._ask(request, insists=True) if left_bytes > 0 else GraphResponse(TOO_LARGE)
        if answer.status == TOO_LARGE:
            return [answer] * len(paths)
        if not answer.ok:
            raise to_error(answer, Target.MAILBOX)
        found = {item.get("id"): read_item(item) for item in read_list(answer, "responses")}
        _count_throttles(found.values())
        self._note_pause(found.values(), longer_than_s=MAX_PAUSE_S)
        return [found.get(str(place), GraphResponse(NO_RESPONSE)) for place in range(len(paths))]

    def _ask(self, request: _Request, *, insists: bool) -> GraphResponse:
        answer = self._admitted(request)
        repeat = 0
        while self._budget.pause(_pause_s(answer, insists=insists), repeat):
            repeat += 1
            answer = self._admitted(request)
        self._note_pause([answer])
        if answer.is_crowded:
            self.max_in_flight = min(self.max_in_flight, self._fewer)
        return answer

    def _admitted(self, request: _Request) -> GraphResponse:
        """The answer after a refused token was renewed, and a denial heard twice.

        Raises:
            ProviderThrottled: a pause that Graph asked for before is not over.
        """
        if self.throttled_for_s:
            raise to_error(GraphResponse(429, retry_after_s=self.throttled_for_s), Target.MAILBOX)
        access = self._access.current()
        answer = self._send(access, request)
        if answer.status == 401:
            renewed = self._renewed(access)
            return self._send(renewed, request) if renewed else answer
        # Too many requests at once are sometimes answered as denied instead of throttled.
        denied = answer.status == 403 and answer.code == "ErrorAccessDenied"
        if denied and self._budget.pause(_DENIED_PAUSE_S, repeat=0):
            return self._send(access, request)
        return answer

    def _note_pause(self, answers: Iterable[GraphResponse], *, longer_than_s: float = 0.0) -> None:
        """Send nothing more until the longest pause is over that Graph asks for in these."""
        asked = [each.retry_after_s or 0.0 for each in answers if each.throttled]
        pause_s = max(asked, default=0.0)
        if pause_s > longer_than_s:
            self._throttled_until = max(self._throttled_until, time.monotonic() + pause_s)

    def _renewed(self, refused: Access) -> Access | None:
        """Another token than the refused one; None while that is too new to be renewed."""
        renewed = self._access.renew(refused)
        return None if renewed.token == refused.token else renewed

    def _send(self, access: Access, request: _Request) -> GraphResponse:
        request_id = str(uuid.uuid4())
        headers = {
            "Authorization": f"Bearer {access.token}",
            "Accept": "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
            "Prefer": prefer(None),
            "client-request-id": request_id,
            **request.headers,
        }
        url = f"{self._base_url}{request.path}"
        self._on_request(request.requests)
        count(PROVIDER_REQUESTS, request.requests)
        try:
            with self._http.stream(
                request.method, url, headers=headers, json=request.content
            ) as response:
                content = self._read(response, request.limit_bytes)
        except (httpx.HTTPError, httpx.InvalidURL, UnreadableBody) as error:
            name = type(error).__name__
            logger.warning("graph_unreachable", client_request_id=request_id, cause=name)
            return GraphResponse(NO_RESPONSE)
        if content is None:
            logger.warning("graph_answer_too_large", client_request_id=request_id)
            return GraphResponse(TOO_LARGE)
        answer = read_answer(response.status_code, response.headers, content)
        _count_throttles([answer])
        if not answer.ok:
            logger.warning(
                "graph_refused",
                status=answer.status,
                code=answer.code,
                client_request_id=request_id,
                request_id=response.headers.get("request-id"),
            )
        return answer

    def _limit(self) -> int:
        return self._limit_bytes or ANSWER_LIMIT_BYTES

    def _read(self, response: httpx.Response, limit_bytes: int) -> bytearray | None:
        """The body, unpacked; None as soon as it exceeds the limit."""
        taken = 0

        def hold(size: int) -> None:
            nonlocal taken
            if self._memory and not self._memory.reserve(size):
                raise _MemoryFull
            taken += size

        try:
            encoding = response.headers.get("Content-Encoding")
            content = read_body(response.iter_raw(), encoding, limit_bytes, hold=hold)
        except _MemoryFull:
            self._drop(taken)
            raise ProviderUnavailable(
                "Microsoft Graph sent more at once than this function has memory for beside its"
                " other mailboxes; trying again."
            ) from None
        if content is None:
            self._drop(taken)
        self.received_bytes += len(content or b"")
        return content

    def _drop(self, size: int) -> None:
        if self._memory:
            self._memory.release(size)


class _MemoryFull(Exception):
    pass


def _is_share(refused: int, asked: int) -> bool:
    """Whether so many were refused, and others not, that the number at once must be the reason."""
    return 2 <= refused < asked and refused * 4 >= asked


def _count_throttles(answers: Iterable[GraphResponse]) -> None:
    throttled = sum(each.throttled for each in answers)
    if throttled:
        count(PROVIDER_THROTTLES, throttled)


def mailbox_path(user: str | None) -> str:
    """How paths name the mailbox of a user, by id or address; None is whom the token names."""
    return f"/users/{quote(user, safe='')}" if user else "/me"


def prefer(page_size: int | None) -> str:
    immutable = 'IdType="ImmutableId"'
    return f"{immutable}, odata.maxpagesize={page_size}" if page_size else immutable


def read_list(answer: GraphResponse, name: str) -> list[Mapping[str, Any]]:
    """Raises ProviderUnavailable when the answer has no list of objects under this name."""
    found = answer.body.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ProviderUnavailable(f"Microsoft Graph left out '{name}'; trying again.")
    return found


def _pause_s(answer: GraphResponse, *, insists: bool) -> float | None:
    """How long to wait before the same request is sent again; None when that is of no use."""
    if answer.throttled and answer.retry_after_s is not None:
        return answer.retry_after_s
    return _UNSAID_PAUSE_S if insists and answer.is_transient else None


def _pauses_s(answers: Sequence[GraphResponse], *, insists: bool) -> dict[int, float]:
    """The same for those answers of a batch that it concerns, by their places."""
    found = ((at, _pause_s(answer, insists=insists)) for at, answer in enumerate(answers))
    return {at: pause for at, pause in found if pause is not None}


def _split(link: object) -> SplitResult:
    try:
        return urlsplit(link if isinstance(link, str) else "")
    except ValueError:
        return urlsplit("")


def _origin(url: SplitResult) -> tuple[str, str | None, int | None, str | None]:
    try:
        port = url.port or _DEFAULT_PORTS.get(url.scheme)
    except ValueError:
        port = None
    return url.scheme, url.hostname, port, url.username
