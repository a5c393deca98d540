"""Faults of the script put to work: refusals, broken transport and forged pages."""

from dataclasses import replace
from secrets import token_hex

from localdev.http_server import Response
from localdev.simulators.faults import Fault
from localdev.simulators.graph.call import Answer
from localdev.simulators.graph.errors import GraphError, retry_after

_CLOSED_WITHOUT_ANSWER = -1
_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


def refusal_of(fault: Fault) -> GraphError:
    headers = {**retry_after(fault.retry_after), **fault.headers}
    return GraphError(fault.status or 500, fault.code, fault.message, headers)


def spoil_answer(response: Response, fault: Fault) -> Response:
    """Change what goes over the wire: its body, its length or its end."""
    if fault.html:
        page = _HTML.format(fault.message or "The service is unavailable.").encode()
        headers = {**response.headers, "Content-Type": "text/html"}
        response = replace(response, body=page, headers=headers)
    elif fault.body is not None:
        response = replace(response, body=fault.body.encode())
    if fault.truncate_json:
        response = replace(response, body=response.body[: len(response.body) // 2])
    if fault.cut == "before answer":
        return replace(response, cut_at=_CLOSED_WITHOUT_ANSWER)
    if fault.cut == "mid body":
        return replace(response, cut_at=len(response.body) // 2)
    return response


def spoil_page(answer: Answer, fault: Fault, own_url: str) -> Answer:
    """Forge the page of a collection; `own_url` is the link that led to it."""
    if fault.page is None or not isinstance(answer.document, dict):
        return answer
    document = dict(answer.document)
    match fault.page:
        case "duplicate":
            document["value"] = document["value"] * 2
        case "no link":
            document.pop("@odata.nextLink", None)
        case "same link" | "empty" | "ever empty":
            document.pop("@odata.deltaLink", None)
            document["@odata.nextLink"] = own_url
            if fault.page == "ever empty":
                document["@odata.nextLink"] = f"{own_url}&n={token_hex(4)}"
            if fault.page != "same link":
                document["value"] = []
    return replace(answer, document=document)
