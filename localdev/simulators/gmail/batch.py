"""Serve HTTP batches. A batch is one HTTP request that contains up to 100 requests, each of which
has its own response.

The status of the batch is 200, even if all of its requests failed.
Source: Gmail API documentation, "Batching Requests".
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

import orjson

from localdev.http_server import Request, Response
from localdev.simulators.gmail.behaviour import GmailBehaviour
from localdev.simulators.gmail.errors import GmailError, invalid_argument_error

BATCH_PATHS = ("/batch", "/batch/gmail/v1")
MAX_BATCH_REQUESTS = 100
_BOUNDARY = "batch_9Qv3kZ0nT1w"

HttpRequestHandler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class BatchPart:
    """A request of a batch.

    content_id: the part's Content-ID without the angle brackets. Empty: the part has no Content-ID.
    """

    content_id: str
    http_request: Request


def is_batch_request(request: Request) -> bool:
    return request.method == "POST" and request.path.rstrip("/") in BATCH_PATHS


def serve_batch(request: Request, serve: HttpRequestHandler, behaviour: GmailBehaviour) -> Response:
    """Serve the requests of a batch at the same time. A malformed batch has the response 400."""
    try:
        parts = split_batch_request(request)
    except GmailError as error:
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        return Response(error.code, orjson.dumps(error.to_json()), headers)
    with ThreadPoolExecutor(len(parts)) as pool:
        responses = list(pool.map(serve, [each.http_request for each in parts]))
    answered = [(part.content_id, each) for part, each in zip(parts, responses, strict=True)]
    del answered[: behaviour.batch_parts_left_out]
    return join_batch_responses(answered[::-1] if behaviour.is_batch_reversed else answered)


def split_batch_request(request: Request) -> list[BatchPart]:
    """Return the requests of a batch. Raises GmailError 400 if the batch is malformed, empty or too
    large."""
    kind = request.headers.get("Content-Type", "")
    mail = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
    items = mail.get_payload()
    if mail.get_content_type() != "multipart/mixed" or not isinstance(items, list) or not items:
        raise invalid_argument_error("Failed to parse batch request, error: no parts.")
    if len(items) > MAX_BATCH_REQUESTS:
        raise invalid_argument_error("Inner request count exceeds the limit.")
    return list(map(partial(_part, outer=request), filter(_is_message, items)))


def join_batch_responses(responses: list[tuple[str, Response]]) -> Response:
    """Return the response of a batch from the content ids of its requests and their responses."""
    parts = (_response_part(content_id, each) for content_id, each in responses)
    body = b"".join(b"--%b\r\n%b\r\n" % (_BOUNDARY.encode(), each) for each in parts)
    headers = {"Content-Type": f"multipart/mixed; boundary={_BOUNDARY}"}
    return Response(200, body + f"--{_BOUNDARY}--\r\n".encode(), headers)


def _is_message(item: object) -> bool:
    return isinstance(item, Message)


def _part(item: Message, *, outer: Request) -> BatchPart:
    """Return the request in a part of a batch. A request without the header Authorization gets this
    header from `outer`, the HTTP request of the batch."""
    content = item.get_payload(decode=True)
    line, _, rest = (content if isinstance(content, bytes) else b"").partition(b"\n")
    words = line.decode("latin-1").split()
    if item.get_content_type() != "application/http" or len(words) < 2:
        raise invalid_argument_error("Failed to parse batch request, error: invalid HTTP request.")
    inner = message_from_bytes(rest)
    body = inner.get_payload(decode=True)
    if "Authorization" not in inner and outer.headers["Authorization"]:
        inner["Authorization"] = outer.headers["Authorization"]
    url = urlsplit(words[1])
    request = Request(
        words[0].upper(),
        url.path,
        url.query,
        inner,
        body.strip() if isinstance(body, bytes) else b"",
        outer.client_address,
    )
    return BatchPart(item.get("Content-ID", "").strip().strip("<>"), request)


def _response_part(content_id: str, response: Response) -> bytes:
    header = ["Content-Type: application/http"]
    if content_id:
        header.append(f"Content-ID: <response-{content_id}>")
    fields = {**response.headers, "Content-Length": str(len(response.body))}
    status = f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"
    inner = [status, *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*header, "", *inner, "", ""]).encode() + response.body
