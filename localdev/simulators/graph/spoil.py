"""Faults of the script put to work: refusals, broken transport and forged pages."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from secrets import token_hex
from typing import Any

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
    """Forge the page of a collection, or a single object; `own_url` is the link that led to it."""
    if fault.page is None or not isinstance(answer.document, dict):
        return answer
    if "value" not in answer.document:
        forged = list(_forged([answer.document], fault))
        return replace(answer, document=forged[0]) if forged else answer
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
        case "nothing":
            document.pop("@odata.nextLink", None)
            document |= {"value": [], **({"@odata.count": 0} if "@odata.count" in document else {})}
        case _:
            document = _with_items(document, list(_forged(document["value"], fault)))
    return replace(answer, document=document)


def _with_items(document: dict[str, Any], items: list[Any]) -> dict[str, Any]:
    """The page with these items; a list that says how many it holds does not count the others."""
    if "@odata.count" in document:
        document["@odata.count"] -= len(document["value"]) - len(items)
    return {**document, "value": items}


def _forged(items: list[Any], fault: Fault) -> Iterator[Any]:
    """The items of a page, wrong in the way of the fault, or those that it leaves."""
    for place, item in enumerate(items):
        removal = "@removed" in item
        if fault.about and item.get("id") not in fault.about:
            yield item
        elif fault.page == "less":
            if not fault.about and place % 2:
                yield item
        elif fault.page == "partial":
            kept = ("id", "@odata.type", "@odata.etag", "@odata.context", "@removed")
            yield {name: value for name, value in item.items() if name in kept}
        elif fault.page in ("no removals", "no changes"):
            if removal is not (fault.page == "no removals"):
                yield item
        else:
            yield _miscounted(item, fault)


def _miscounted(item: Mapping[str, Any], fault: Fault) -> Mapping[str, Any]:
    counts = {name: item[name] for name in ("totalItemCount", "unreadItemCount") if name in item}
    if fault.page == "uncounted":
        return {**item, **dict.fromkeys(counts)}
    if fault.page == "miscounted":
        return {**item, **{name: value + fault.off_by for name, value in counts.items()}}
    return item
