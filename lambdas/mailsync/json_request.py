"""Send a single HTTP request whose response is a small JSON object, such as a token."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

from mailsync.response_body import (
    ACCEPT_ENCODING,
    MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL,
    UnreadableBody,
    read_body_or_none_if_too_large,
)
from mailsync.retry_after import parse_retry_after_s


class JsonRequestFailed(Exception):
    """Error: no complete response arrived. The error message is a short name of the reason."""


@dataclass(frozen=True, slots=True)
class JsonResponse:
    """A complete HTTP response.

    status: HTTP status code.
    json_body: the JSON object in the body. Empty: the body is not a JSON object.
    retry_after_s: value of the header Retry-After in seconds. None: no header.
    """

    status: int
    json_body: Mapping[str, Any]
    retry_after_s: float | None = None


def send_json_request(
    method: str,
    url: str,
    *,
    tls: SSLContext,
    timeout_s: float,
    form: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    access_token: str | None = None,
) -> JsonResponse:
    """Send a request and return the response, also if its status is an error or a redirect.

    tls: TLS context that verifies the server.
    timeout_s: time limit in seconds for connecting, and for each read or write.
    form: fields of a form to send as the body. None: no form.
    body: JSON object to send as the body. None: no JSON body.
    access_token: bearer token for the header Authorization. None: no such header.

    Raises:
        JsonRequestFailed: there is no connection, or the response is incomplete or too large.
    """
    import httpx

    headers = {"Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING}
    if access_token is not None:
        headers["Authorization"] = f"Bearer {access_token}"
    client = httpx.Client(verify=tls, timeout=timeout_s, trust_env=False, follow_redirects=False)
    try:
        with (
            client as http,
            http.stream(method, url, headers=headers, data=form, json=body) as response,
        ):
            encoding = response.headers.get("Content-Encoding")
            content = read_body_or_none_if_too_large(
                response.iter_raw(), encoding, MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL
            )
    except (httpx.HTTPError, httpx.InvalidURL, UnreadableBody) as error:
        raise JsonRequestFailed(type(error).__name__) from None
    if content is None:
        raise JsonRequestFailed("TooLarge")
    retry_after_s = parse_retry_after_s(response.headers.get("Retry-After"))
    return JsonResponse(response.status_code, _parse_object(bytes(content)), retry_after_s)


def _parse_object(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
