"""Apply injected faults to the body of a response, in the same way for every simulated HTTP API."""

from dataclasses import replace

from localdev.http_server import Response
from localdev.simulators.faults import Fault

_CLOSED_WITHOUT_ANSWER = -1
_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


def apply_fault_to_response_body(response: Response, fault: Fault) -> Response:
    """Apply a fault that replaces or cuts the body of a response; return the changed response."""
    if fault.html:
        page = _HTML.format(fault.message or "The service is unavailable.").encode()
        headers = {**response.headers, "Content-Type": "text/html"}
        response = replace(response, body=page, headers=headers)
    elif fault.body is not None:
        response = replace(response, body=fault.body.encode())
    if fault.truncate_json:
        response = replace(response, body=response.body[: len(response.body) // 2])
    if fault.cut == "before answer":
        return replace(response, close_after_body_bytes=_CLOSED_WITHOUT_ANSWER)
    if fault.cut == "mid body":
        return replace(response, close_after_body_bytes=len(response.body) // 2)
    return response
