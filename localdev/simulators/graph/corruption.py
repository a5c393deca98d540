"""Apply injected faults to Graph's responses: rejections and forged pages."""

from collections.abc import Mapping
from dataclasses import replace
from secrets import token_hex
from typing import Any

from localdev.simulators.faults import Fault
from localdev.simulators.graph.call import GraphResult
from localdev.simulators.graph.errors import GraphError, retry_after_header
from localdev.simulators.graph.shapes import removed_item_json

_COUNTS = ("totalItemCount", "unreadItemCount")
_OF_A_PART = ("id", "@odata.type", "@odata.etag", "@odata.context", "@removed")


def graph_error_from_fault(fault: Fault) -> GraphError:
    headers = {**retry_after_header(fault.retry_after), **fault.headers}
    return GraphError(fault.status or 500, fault.code, fault.message, headers)


def corrupt_graph_result(result: GraphResult, fault: Fault, own_url: str) -> GraphResult:
    """Apply a fault that forges a page of a collection, or a single object; return the forged
    result.

    own_url: URL of the request, for links that lead back to the same page.
    """
    if fault.page is None or not isinstance(result.json_body, dict):
        return result
    if "value" not in result.json_body:
        return replace(result, json_body=_forged(result.json_body, fault))
    document = dict(result.json_body)
    if fault.page in ("no link", "nothing"):
        document.pop("@odata.nextLink", None)
    if fault.page in ("same link", "ever same", "empty", "ever empty"):
        document.pop("@odata.deltaLink", None)
        again = f"{'&' if '?' in own_url else '?'}n={token_hex(4)}"
        is_new = fault.page in ("ever same", "ever empty")
        document["@odata.nextLink"] = own_url + again * is_new
    return replace(result, json_body=_with_items(document, _items(document, fault)))


def _items(document: Mapping[str, Any], fault: Fault) -> list[Any]:
    items: list[Any] = document["value"]
    if fault.page in ("empty", "ever empty", "nothing"):
        return []
    if fault.page == "duplicate":
        return items * 2
    return [
        _forged(item, fault)
        for place, item in enumerate(items)
        if not _is_left_out(item, place, fault)
    ]


def _with_items(document: dict[str, Any], items: list[Any]) -> dict[str, Any]:
    """Replace the page's items. Lower `@odata.count`, the count of all pages, by the number of
    omitted items; set it to 0 if no items are left."""
    lacking = len(document["value"]) - len(items)
    if "@odata.count" in document and lacking > 0:
        document["@odata.count"] = document["@odata.count"] - lacking if items else 0
    return {**document, "value": items}


def _is_concerned(item: Mapping[str, Any], fault: Fault) -> bool:
    return not fault.about or item.get("id") in fault.about


def _is_left_out(item: Mapping[str, Any], place: int, fault: Fault) -> bool:
    if not _is_concerned(item, fault):
        return False
    if fault.page == "less":
        return bool(fault.about) or place % 2 == 0
    wanted = "no removals" if "@removed" in item else "no changes"
    return fault.page == wanted


def _forged(item: Mapping[str, Any], fault: Fault) -> Mapping[str, Any]:
    if not _is_concerned(item, fault):
        return item
    if fault.page == "partial":
        return {name: value for name, value in item.items() if name in _OF_A_PART}
    if fault.page == "removed":
        kind = str(item.get("@odata.type", "")).rpartition(".")[2]
        return removed_item_json(kind, item["id"])
    counts = {name: item[name] for name in _COUNTS if name in item}
    if fault.page == "uncounted":
        return {**item, **dict.fromkeys(counts)}
    if fault.page == "miscounted":
        return {**item, **{name: value + fault.off_by for name, value in counts.items()}}
    return item
