"""Serve the local HTTP API: routes to functions, the Lambda authorizer, and API Gateway's errors.

Source: Amazon API Gateway Developer Guide, "Create routes for HTTP APIs", "Control access to HTTP
    APIs with AWS Lambda authorizers" and "Quotas for configuring and running an HTTP API".
"""

import json
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from infra.catalog import Route
from localdev.engine.cors import CorsPolicy
from localdev.engine.dev_login import is_request_of_local_program_or_page
from localdev.engine.failure import StartFailed
from localdev.engine.http_event import (
    MalformedFunctionResult,
    api_gateway_error_response,
    build_authorizer_event,
    build_http_response,
    build_request_event,
)
from localdev.engine.lambda_host import InvocationResult, LambdaHost
from localdev.guard import RequestGuard
from localdev.http_server import Request, Response, Server

INTEGRATION_TIMEOUT_S = 30
MAX_REQUEST_BODY_BYTES = 10 * 1024 * 1024
SIGN_IN_PATH_PREFIX = "/api/auth/"
"""Prefix of the paths of a sign-in. A link or redirect of another site may open these paths."""
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class _Target:
    route: Route
    method: str
    path: re.Pattern[str]

    @classmethod
    def of(cls, route: Route) -> "_Target":
        method, path = route.route_key.split(" ", 1)
        return cls(route, method, re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", path)))

    @property
    def parameter_count(self) -> int:
        return self.route.route_key.count("{")


class HttpApi:
    """The server of the local HTTP API. It binds its port when it is made, and responds from
    `start` until `stop`.

    authorizer: name of the Lambda function that authorizes requests to routes that are not public.
    sign_in: function that returns a token for the demo user. The server adds this token to a
        request that has no token and comes from a program or page of this machine. None: no token
        is added.
    cors_origins: origins whose pages may send requests and read the responses. Links and redirects
        of other sites may only open the paths of a sign-in in a browser window.

    Raises:
        StartFailed: the port is in use.
    """

    def __init__(
        self,
        host: LambdaHost,
        routes: Iterable[Route],
        *,
        port: int,
        authorizer: str,
        sign_in: Callable[[], str] | None = None,
        cors_origins: Iterable[str] = (),
    ) -> None:
        self._host = host
        self._targets = sorted(map(_Target.of, routes), key=lambda each: each.parameter_count)
        self._authorizer = authorizer
        self._sign_in = sign_in
        origins = frozenset(cors_origins)
        self._cors = CorsPolicy(origins)
        guard = RequestGuard(
            accepts_requests_of_served_pages=True,
            accepted_page_origins=origins,
            accepts_navigation_to_path=lambda path: path.startswith(SIGN_IN_PATH_PREFIX),
        )
        self._calls = ThreadPoolExecutor(max_workers=64, thread_name_prefix="integration")
        try:
            self._server = Server(self._respond, port=port, guard=guard)
        except OSError as taken:
            raise StartFailed.for_port_in_use(port, "--api-port") from taken

    @property
    def port(self) -> int:
        return self._server.port

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        self._calls.shutdown(wait=False, cancel_futures=True)

    def _respond(self, request: Request) -> Response:
        preflight = self._cors.preflight_response(request)
        return preflight or self._cors.add_cors_headers(request, self._serve(request))

    def _serve(self, request: Request) -> Response:
        found = self._find(request)
        if found is None:
            return api_gateway_error_response(404, "Not Found")
        if len(request.body) > MAX_REQUEST_BODY_BYTES:
            return api_gateway_error_response(413, "Request Entity Too Large")
        route, parameters = found
        if (
            self._sign_in
            and "authorization" not in request.headers
            and is_request_of_local_program_or_page(request)
        ):
            request.headers["authorization"] = f"Bearer {self._sign_in()}"
        event = build_request_event(request, route.route_key, parameters)
        refusal = None if route.is_public else self._refusal(event)
        return refusal or self._integrate(route.function_name, event)

    def _find(self, request: Request) -> tuple[Route, dict[str, str]] | None:
        for target in self._targets:
            match = target.path.fullmatch(unquote(request.path))
            if match and target.method == request.method:
                return target.route, match.groupdict()
        return None

    def _refusal(self, event: dict[str, Any]) -> Response | None:
        """Call the authorizer. Return the response that rejects the request, or None if the
        authorizer allows the request.

        The authorizer's context is added to the event.
        """
        if not event["headers"].get("authorization"):
            return api_gateway_error_response(401, "Unauthorized")
        result = self._invoke(self._authorizer, build_authorizer_event(event))
        if result is None or result.failed:
            return api_gateway_error_response(500, "Internal Server Error")
        decision = json.loads(result.payload)
        if not isinstance(decision, dict) or decision.get("isAuthorized") is not True:
            return api_gateway_error_response(403, "Forbidden")
        event["requestContext"]["authorizer"] = {"lambda": decision.get("context") or {}}
        return None

    def _integrate(self, function: str, event: dict[str, Any]) -> Response:
        result = self._invoke(function, event)
        if result is None or result.invoke_http_status == 429:
            return api_gateway_error_response(503, "Service Unavailable")
        if result.failed:
            return api_gateway_error_response(500, "Internal Server Error")
        try:
            return build_http_response(result.payload)
        except MalformedFunctionResult:
            return api_gateway_error_response(500, "Internal Server Error")

    def _invoke(self, function: str, event: dict[str, Any]) -> InvocationResult | None:
        """Invoke a function; return its result. Return None if the function takes longer than
        INTEGRATION_TIMEOUT_S; the function then continues to run."""
        call = self._calls.submit(self._host.invoke, function, json.dumps(event).encode())
        try:
            return call.result(INTEGRATION_TIMEOUT_S)
        except TimeoutError:
            return None
