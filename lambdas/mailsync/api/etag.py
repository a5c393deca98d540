"""ETag and If-None-Match (RFC 9110, 8.8.3 and 13.1.2): a poller is told when nothing is new."""

import hashlib
import json
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware


def add_etag(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """A middleware: tags the answer of a route, or says 304 when the caller has it already."""
    answer = next_middleware(app)
    body = json.dumps(answer.body, sort_keys=True).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    answer.headers["ETag"] = tag
    if tag not in app.current_event.headers.get("if-none-match", ""):
        return answer
    kept = {name: text for name, text in answer.headers.items() if name != "Content-Type"}
    return Response(HTTPStatus.NOT_MODIFIED, body="", headers=kept)
