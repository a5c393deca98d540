"""Convert HTTP requests to Lambda events, and function results to HTTP responses. Pure functions.

The events have the payload format 2.0 of an HTTP API.
Source: Amazon API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs" and
    "Control access to HTTP APIs with AWS Lambda authorizers".
"""

import base64
import json
import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from localdev.engine.names import AWS_ACCOUNT_ID, AWS_REGION
from localdev.http_server import Request, Response

LOCAL_API_ID = "local"
API_STAGE_NAME = "$default"
_TEXT = re.compile(
    r"(text/.*|application/(.*\+)?(json|xml)|application/(javascript|x-www-form-urlencoded))(;.*)?"
)
_API_ARN = f"arn:aws:execute-api:{AWS_REGION}:{AWS_ACCOUNT_ID}:{LOCAL_API_ID}"


class MalformedFunctionResult(Exception):
    """The result of a Lambda function is not a response that an HTTP API understands."""


def build_request_event(
    request: Request, route_key: str, parameters: Mapping[str, str]
) -> dict[str, Any]:
    """Return the Lambda event for a request to a route. As on AWS, empty members are left out.

    route_key: the route's method and path pattern, as in the route table of the HTTP API.
    parameters: values of the placeholders in the route's path, by name.
    """
    headers = _joined((name.lower(), value) for name, value in request.headers.items())
    cookies = [each.strip() for each in headers.pop("cookie", "").split(";") if each.strip()]
    headers["x-forwarded-for"] = request.client_address
    headers["x-forwarded-proto"] = "http"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": unquote(request.path),
        "rawQueryString": request.query_string,
        "headers": headers,
        "requestContext": _context(request, route_key, headers),
        "isBase64Encoded": False,
    }
    query = _joined(parse_qsl(request.query_string, keep_blank_values=True))
    optional = {
        "cookies": cookies,
        "queryStringParameters": query,
        "pathParameters": dict(parameters),
    }
    event.update({name: value for name, value in optional.items() if value})
    if request.body:
        event.update(_body(request.body, headers.get("content-type", "")))
    return event


def build_authorizer_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event for the Lambda authorizer: the Lambda event of the request, but without the
    body and with the members that only authorizers get."""
    method, path = event["requestContext"]["http"]["method"], event["rawPath"]
    shown = {
        name: value for name, value in event.items() if name not in ("body", "isBase64Encoded")
    }
    return {
        **shown,
        "type": "REQUEST",
        "routeArn": f"{_API_ARN}/{API_STAGE_NAME}/{method}{path}",
        "identitySource": [event["headers"]["authorization"]],
    }


def build_http_response(payload: bytes) -> Response:
    """Convert a function's result to an HTTP response.

    A result without `statusCode` becomes the JSON body of the response.

    Raises:
        MalformedFunctionResult: the result is neither a response nor JSON.
    """
    try:
        result = json.loads(payload)
        if not isinstance(result, dict) or "statusCode" not in result:
            return Response(200, payload, {"content-type": "application/json"})
        body = result.get("body") or ""
        encoded = result.get("isBase64Encoded")
        headers = {"content-type": "text/plain;charset=UTF-8"}
        headers |= {name.lower(): str(text) for name, text in (result.get("headers") or {}).items()}
        return Response(
            int(result["statusCode"]),
            base64.b64decode(body, validate=True) if encoded else body.encode(),
            headers,
            cookies=tuple(result.get("cookies") or ()),
        )
    except (ValueError, TypeError, AttributeError) as malformed:
        raise MalformedFunctionResult from malformed


def api_gateway_error_response(status: int, text: str) -> Response:
    """Return an error response that the HTTP API sends without calling a function, in the JSON form
    of API Gateway."""
    body = json.dumps({"message": text}, separators=(",", ":")).encode()
    return Response(status, body, {"content-type": "application/json"})


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Join several values of one header or parameter into one text, with commas."""
    values = defaultdict(list)
    for name, value in pairs:
        values[name].append(value)
    return {name: ",".join(each) for name, each in values.items()}


def _context(request: Request, route_key: str, headers: Mapping[str, str]) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "accountId": AWS_ACCOUNT_ID,
        "apiId": LOCAL_API_ID,
        "domainName": headers.get("host", "localhost"),
        "domainPrefix": LOCAL_API_ID,
        "http": {
            "method": request.method,
            "path": unquote(request.path),
            "protocol": "HTTP/1.1",
            "sourceIp": request.client_address,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": uuid.uuid4().hex[:16],
        "routeKey": route_key,
        "stage": API_STAGE_NAME,
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }


def _body(body: bytes, content_type: str) -> dict[str, Any]:
    if not content_type or _TEXT.fullmatch(content_type):
        try:
            return {"body": body.decode()}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
