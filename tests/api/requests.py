"""Requests as API Gateway hands them over (payload 2.0), made from the sample events."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from localdev.simulators.service import ORGANISATION_TENANT_ID
from tests.support.functions import lambda_context
from tests.support.paths import ROOT

EVENTS = ROOT / "events"


@dataclass(frozen=True)
class ApiResponse:
    status: int
    headers: dict[str, str]
    text: str
    cookies: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def problem(self) -> tuple[int, str]:
        """The status and the type of the problem, without its prefix."""
        return self.status, str(self.json["type"]).removeprefix("urn:mailsync:problem:")


Api = Callable[..., ApiResponse]
"""Sends a request to a route; the arguments are those of `a_request`."""
Sql = Callable[..., list[list[Any]]]


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def a_request(
    route: str,
    *,
    query: dict[str, str] | None = None,
    body: Any = None,
    user: str | None = "ann",
    admin: bool = False,
    headers: dict[str, str] | None = None,
    cookies: tuple[str, ...] = (),
) -> dict[str, Any]:
    """`body` may be text, which is sent as it is, or anything that JSON can hold."""
    method, path = route.split(" ", 1)
    event = sample("api")
    event |= {"routeKey": route, "rawPath": path, "rawQueryString": urlencode(query or {})}
    event |= {"queryStringParameters": query or {}, "cookies": list(cookies)}
    event["body"] = body if isinstance(body, str) or body is None else json.dumps(body)
    event["headers"] |= headers or {}
    event["requestContext"]["http"] |= {"method": method, "path": path}
    caller = {"userId": user, "admin": "true"} if admin else {"userId": user}
    event["requestContext"]["authorizer"] = {"lambda": caller} if user else {}
    return event


BODIES: dict[str, dict[str, Any]] = {
    "PATCH /api/email/accounts/{accountId}": {"paused": True},
    "POST /api/email/accounts/microsoft": {
        "tenantId": ORGANISATION_TENANT_ID,
        "emailAddress": "ann@example.org",
    },
    "POST /api/auth/microsoft/confirm": {"connection": "none"},
    "POST /api/auth/google/confirm": {"connection": "none"},
    "POST /api/webhooks/microsoft": {"value": []},
}
"""The body that a route needs; every other POST names just the account."""


def good_parts(route: str, account_id: str) -> tuple[dict[str, str], dict[str, Any] | None]:
    """Return query and body of a request that the route accepts, about the account."""
    named = {"accountId": account_id}
    body = BODIES.get(route, named) if route.startswith(("POST", "PATCH")) else None
    return {} if "{" in route else named, body


def call(handler: Any, event: dict[str, Any]) -> ApiResponse:
    response = handler(event, lambda_context())
    return ApiResponse(
        response["statusCode"],
        response["headers"],
        response.get("body") or "",
        tuple(response.get("cookies", ())),
    )
