"""Relay requests of Mailsync to a mail provider, read-only, and record the responses.

The relay makes a token for Mailsync. In each request it replaces this token with the user's
access token. So Mailsync stores no token of the user. The relay rejects requests that would
write.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from ssl import SSLContext
from time import monotonic
from typing import Any, Protocol

import httpx

from localdev.engine.dev_login import DEMO_USER_ID
from localdev.http_server import Request, Response, Server
from localdev.live.record import ExchangeToRecord, Recorder
from mailsync.credentials.token_set import TokenSet
from mailsync.credentials.vault import SealingKey
from mailsync.model import AccessToken, AccountId, ProviderName
from mailsync.store.credential_store import CredentialStore

UPSTREAM_TIMEOUT_S = 60
RELAY_PATH_PREFIX = "/relay"
_NOT_RELAYED = frozenset(
    (
        *("accept-encoding", "authorization", "connection", "content-encoding", "content-length"),
        *("date", "host", "keep-alive", "server", "transfer-encoding"),
    )
)
_TOKEN_LIFETIME = timedelta(days=30)
_NO_RESPONSE = Response(502, close_after_body_bytes=-1)


@dataclass(frozen=True, slots=True)
class RelayedRequest:
    """An HTTP request of Mailsync to the provider.

    path_and_query: path below the provider's base URL, with the query.
    """

    method: str
    path_and_query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ReceivedResponse:
    """The response to a relayed request.

    status: HTTP status. 0: the connection failed.
    json_body: the parsed body. None: the body is not JSON.
    duration_s: time from the request to the last byte.
    """

    status: int
    headers: Mapping[str, str]
    json_body: Any
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProviderUpstream:
    """A provider to which the relay sends requests.

    tls_context: TLS context with which the relay verifies the provider.
    get_access_token: function that returns the user's access token. It takes a bool: whether to
        renew the token first.
    """

    base_url: str
    tls_context: SSLContext
    get_access_token: Callable[[bool], str]


class HttpRelayKitInterface(Protocol):
    """Interface that the kit of a provider with an HTTP API implements for the relay.

    error_probe_paths: paths of requests that the provider rejects. The relay sends them to record
        errors.
    """

    error_probe_paths: tuple[str, ...]

    def is_read_only_request(self, request: RelayedRequest) -> bool:
        """Return whether the request only reads. The relay rejects all other requests."""
        ...

    def build_exchanges_to_record(
        self, request: RelayedRequest, received: ReceivedResponse
    ) -> list[ExchangeToRecord]:
        """Return the exchanges to record for one response: the response itself and, for a batch,
        one exchange for each item."""
        ...

    def point_page_links_to_relay(self, document: Any, base_url: str, relay_url: str) -> bool:
        """Replace `base_url` by `relay_url` in the page links of the document, so that Mailsync
        follows the links through the relay. Change the document in place; return whether a link was
        replaced."""
        ...


class _Route:
    def __init__(self, upstream: HttpProviderUpstream, recorder: Recorder) -> None:
        self.upstream = upstream
        self.recorder = recorder
        self.http = httpx.Client(
            verify=upstream.tls_context, timeout=UPSTREAM_TIMEOUT_S, trust_env=False
        )


class HttpRelay:
    """An HTTP server on loopback between Mailsync and providers; implements
    `ProviderRelayInterface`."""

    lambda_environment_variables: Mapping[str, str] = {}

    def __init__(self, kit: HttpRelayKitInterface) -> None:
        self._kit = kit
        self._routes: dict[str, _Route] = {}
        self._server = Server(self._relay, port=0)

    def __enter__(self) -> "HttpRelay":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        for route in self._routes.values():
            route.http.close()

    @property
    def http_base_url_or_empty(self) -> str:
        return f"http://127.0.0.1:{self._server.port}{RELAY_PATH_PREFIX}"

    def add_upstream_and_make_relay_token(
        self, upstream: HttpProviderUpstream, recorder: Recorder
    ) -> str:
        """Let the relay send requests to a further provider. Return the token with which Mailsync's
        requests reach this provider."""
        token = token_urlsafe(32)
        self._routes[token] = _Route(upstream, recorder)
        return token

    def send_error_provoking_requests(self, token: str) -> None:
        """Send the kit's requests that provoke errors, each with a renewed access token, and record
        the responses.

        token: the relay's token for the provider.
        """
        for path in self._kit.error_probe_paths:
            request = RelayedRequest("GET", path, {}, b"")
            self._send_once(self._routes[token], request, renewed=True)

    def _relay(self, request: Request) -> Response:
        route = self._routes.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if route is None or not request.path.startswith(f"{RELAY_PATH_PREFIX}/"):
            return Response(401)
        target = request.path.removeprefix(RELAY_PATH_PREFIX)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _NOT_RELAYED
        }
        relayed = RelayedRequest(
            request.method,
            f"{target}?{request.query_string}" if request.query_string else target,
            headers,
            request.body,
        )
        if not self._kit.is_read_only_request(relayed):
            return Response(405)
        return self._send(route, relayed)

    def _send(self, route: _Route, request: RelayedRequest) -> Response:
        """Send the request. If the provider rejects the access token, send the request once more
        with a renewed token."""
        response = self._send_once(route, request, renewed=False)
        return self._send_once(route, request, renewed=True) if response.status == 401 else response

    def _send_once(self, route: _Route, request: RelayedRequest, *, renewed: bool) -> Response:
        upstream, began = route.upstream, monotonic()
        try:
            token = upstream.get_access_token(renewed)
            began = monotonic()
            received = route.http.request(
                request.method,
                upstream.base_url + request.path_and_query,
                headers={**request.headers, "Authorization": f"Bearer {token}"},
                content=request.body,
            )
        except Exception:  # of httpx, msal, requests; Mailsync sees a broken connection
            self._record(route, request, ReceivedResponse(0, {}, None, monotonic() - began))
            return _NO_RESPONSE
        document = _parse(received.content)
        self._record(
            route,
            request,
            ReceivedResponse(received.status_code, received.headers, document, monotonic() - began),
        )
        content = received.content
        if self._kit.point_page_links_to_relay(
            document, upstream.base_url, self.http_base_url_or_empty
        ):
            content = json.dumps(document).encode()
        headers = {
            name: value
            for name, value in received.headers.items()
            if name.lower() not in _NOT_RELAYED
        }
        return Response(received.status_code, content, headers)

    def _record(self, route: _Route, request: RelayedRequest, received: ReceivedResponse) -> None:
        for exchange in self._kit.build_exchanges_to_record(request, received):
            route.recorder.add_exchange(exchange)


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def store_account_with_relay_token(
    provider: ProviderName, store: CredentialStore, key: SealingKey, token: str
) -> AccountId:
    """Store an account whose access token the relay accepts, as
    `LiveComparisonKit.store_account_with_relay_token` says."""
    tokens = TokenSet(AccessToken(token, datetime.now(UTC) + _TOKEN_LIFETIME), renewal_grant="")
    return store.connect_account(
        user_id=DEMO_USER_ID,
        provider=provider,
        provider_account_id=token[:16],
        email_address="mailbox@localhost",
        seal=lambda account_id: tokens.seal_tokens_for_account(account_id, key),
    )
