"""Build the HTTP responses that all simulated identity platforms send."""

from typing import Any
from urllib.parse import urlencode

import orjson

from localdev.http_server import Response
from localdev.simulators.faults import Fault


def json_response(status: int, document: Any) -> Response:
    headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
    return Response(status, orjson.dumps(document), headers)


def html_page_response(page: bytes) -> Response:
    return Response(200, page, {"Content-Type": "text/html; charset=utf-8"})


def error_page_response(sentence: str, status: int = 400) -> Response:
    """Return a page with an error text. A platform shows this page if it has not verified the
    redirect address, so that it must not redirect the browser to the application."""
    return Response(status, sentence.encode(), {"Content-Type": "text/plain; charset=utf-8"})


def redirect_to_application_response(query: dict[str, str], parameters: dict[str, str]) -> Response:
    """Return a redirect of the browser to the application. The URL has `parameters`, and `state` if
    the authorize request had it.

    query: parameters of the application's authorize request.
    """
    if "state" in query:
        parameters = {**parameters, "state": query["state"]}
    target = query["redirect_uri"]
    separator = "&" if "?" in target else "?"
    return Response(302, b"", {"Location": target + separator + urlencode(parameters)})


def build_injected_fault_response(fault: Fault, document: Any) -> Response:
    """Return the error response of an identity platform's endpoint for a fault. The body is the
    fault's `body`; if that is None, `document` as JSON. The status is the fault's `status`; if that
    is None, 503.

    If the fault has `cut`, the response closes the connection without sending anything.
    """
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["Retry-After"] = f"{fault.retry_after:g}"
    if fault.cut:
        return Response(200, b"", close_after_body_bytes=-1)
    if fault.body is not None:
        return Response(fault.status or 503, fault.body.encode(), headers)
    response = json_response(fault.status or 503, document)
    return Response(response.status, response.body, {**response.headers, **headers})
