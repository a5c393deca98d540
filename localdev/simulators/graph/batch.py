"""Serve JSON batches (`$batch`). A batch contains up to twenty requests. Four of them run at a
time.

Source: Microsoft Graph docs, json-batching and throttling-limits.
"""

import base64
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import orjson

from localdev.http_server import Request, Response
from localdev.simulators.graph.errors import bad_request_error

MAX_BATCH_REQUESTS = 20
MAX_CONCURRENT_BATCH_REQUESTS = 4

HttpRequestHandler = Callable[[Request], Response]


def serve_batch(request: Request, serve: HttpRequestHandler) -> dict[str, Any]:
    """Serve the requests of a batch with `serve`; return the document of the batch's 200 response.

    A failed request has its status in the document. Raises GraphError 400 when the whole batch is
    malformed.
    """
    run = partial(_run, outer=request, serve=serve)
    with ThreadPoolExecutor(MAX_CONCURRENT_BATCH_REQUESTS) as pool:
        return {"responses": list(pool.map(run, _items(request.body)))}


def _items(body: bytes) -> list[dict[str, Any]]:
    try:
        items: list[dict[str, Any]] = orjson.loads(body)["requests"]
        ids = [item["id"] for item in items]
        valid = all(isinstance(item["url"], str) and item["method"] for item in items)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise bad_request_error("Invalid batch payload format.") from None
    if not valid or not all(isinstance(each, str) for each in ids):
        raise bad_request_error("Invalid batch payload format.")
    if not 1 <= len(items) <= MAX_BATCH_REQUESTS:
        raise bad_request_error(f"Number of batch request steps must be 1 to {MAX_BATCH_REQUESTS}.")
    if len(set(ids)) != len(ids):
        raise bad_request_error("Batch request ids must be unique.")
    return items


def _run(item: Mapping[str, Any], *, outer: Request, serve: HttpRequestHandler) -> dict[str, Any]:
    response = serve(_inner_request(item, outer))
    result = {"id": item["id"], "status": response.status, "headers": dict(response.headers)}
    if response.body:
        result["body"] = _item_body(response.body)
    return result


def _item_body(content: bytes) -> Any:
    """Return a JSON body as parsed JSON. Return any other body, such as a proxy's error page, in
    base64."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return base64.b64encode(content).decode()


def _inner_request(item: Mapping[str, Any], outer: Request) -> Request:
    """Return the request of a batch item. It has the batch's bearer token and the item's
    headers."""
    headers = Message()
    for name, value in item.get("headers", {}).items():
        headers[name] = value
    if "Authorization" not in headers and outer.headers["Authorization"]:
        headers["Authorization"] = outer.headers["Authorization"]
    body = orjson.dumps(item["body"]) if "body" in item else b""
    if item["method"].upper() == "POST":
        headers["Content-Length"] = str(len(body))
    url = urlsplit(item["url"])
    path = "/v1.0/" + url.path.lstrip("/")
    return Request(item["method"].upper(), path, url.query, headers, body, outer.client_address)
