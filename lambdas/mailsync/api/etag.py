"""Support conditional requests by ETag and If-None-Match (RFC 9110, 8.8.3 and 13.1.2)."""

import hashlib
import json
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware


def add_etag_to_response(
    app: APIGatewayHttpResolver, next_middleware: NextMiddleware
) -> Response[Any]:
    """Add an ETag to the response of the next middleware; return 304 without a body if
    If-None-Match of the request contains this ETag."""
    response = next_middleware(app)
    body = json.dumps(response.body, sort_keys=True).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response.headers["ETag"] = tag
    if tag not in app.current_event.headers.get("if-none-match", ""):
        return response
    headers = {name: text for name, text in response.headers.items() if name != "Content-Type"}
    return Response(HTTPStatus.NOT_MODIFIED, body="", headers=headers)
