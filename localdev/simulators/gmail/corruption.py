"""Apply injected faults to responses of the simulated Gmail API: error responses, broken
connections and forged responses.

A forgery (`Fault.page`) changes the list of a response (messages, history records, labels or
threads), or a single object. `Fault.about` contains the ids of the messages or labels to forge. The
forgery `earlier changes` lowers `historyId` by `Fault.off_by`; the forgery `renumbered` raises
`historyId` by `Fault.off_by`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from localdev.simulators.faults import DEFAULT_FAULT_CODE, Fault
from localdev.simulators.gmail.call import GmailCall, GmailResult
from localdev.simulators.gmail.errors import GmailError
from localdev.simulators.gmail.ids import make_new_token_for_same_page
from localdev.simulators.gmail.quota import build_retry_after_sentence

_LISTS = ("history", "messages", "labels", "threads")
_COUNTS = ("messagesTotal", "messagesUnread", "threadsTotal", "threadsUnread", "sizeEstimate")
_OF_A_PART = ("id", "threadId", "labelIds")
_REMOVALS = ("messagesDeleted", "labelsRemoved")
_ADDITIONS = ("messagesAdded", "labelsAdded")
_REASON_BY_STATUS = {
    400: ("failedPrecondition", "Precondition check failed."),
    401: ("authError", "Invalid Credentials"),
    403: ("rateLimitExceeded", "Rate Limit Exceeded"),
    404: ("notFound", "Requested entity was not found."),
    429: ("rateLimitExceeded", "Resource has been exhausted (e.g. check quota)."),
    500: ("backendError", "Internal error encountered."),
    503: ("backendError", "The service is currently unavailable."),
}
JsonObject = dict[str, Any]


def build_gmail_error_from_fault(fault: Fault) -> GmailError:
    """Return the error of a fault that has a status.

    A fault without `code` or `message` gets the code or message that Google uses for the status.
    The error's message names the time of `retry_after`, as Gmail's messages do.
    """
    assert fault.status is not None
    reason, message = _REASON_BY_STATUS.get(fault.status, ("backendError", "Backend Error"))
    if fault.code != DEFAULT_FAULT_CODE:
        reason = fault.code
    message = fault.message or message
    if fault.retry_after is not None:
        message = f"{message}  {build_retry_after_sentence(fault.retry_after)}"
    status = "FAILED_PRECONDITION" if reason == "failedPrecondition" else None
    return GmailError(fault.status, reason, message, status=status, headers=fault.headers)


def corrupt_gmail_result(result: GmailResult, fault: Fault, call: GmailCall) -> GmailResult:
    """Return the result, changed by the forgery that `fault.page` names. Return it unchanged if
    `fault.page` is None."""
    if fault.page is None or not isinstance(result.json_body, dict):
        return result
    document = dict(result.json_body)
    if "historyId" in document and fault.page in ("earlier changes", "renumbered"):
        sign = -1 if fault.page == "earlier changes" else 1
        document["historyId"] = str(max(0, int(document["historyId"]) + sign * fault.off_by))
    name = next((each for each in _LISTS if each in document), None)
    if name is None or ("threadId" not in document and name == "messages" and "id" in document):
        return replace(result, json_body=_forged_object(document, fault))
    if fault.page in ("no link", "nothing"):
        document.pop("nextPageToken", None)
    if fault.page in ("same link", "ever same", "empty", "ever empty"):
        token = call.read_text_parameter("pageToken") or document.get("nextPageToken")
        if token:
            is_new = fault.page in ("ever same", "ever empty")
            document["nextPageToken"] = make_new_token_for_same_page(token) if is_new else token
    items = _items(name, document[name], fault)
    del document[name]
    return replace(result, json_body=document | ({name: items} if items else {}))


def _items(name: str, items: list[JsonObject], fault: Fault) -> list[JsonObject]:
    if fault.page in ("empty", "ever empty", "nothing"):
        return []
    if fault.page == "duplicate":
        return items * 2
    if fault.page == "less":
        return [
            each
            for place, each in enumerate(items)
            if (not _ids(each) & {*fault.about} if fault.about else place % 2)
        ]
    if name == "history":
        found = [_forged_record(each, fault) for each in items]
        return [each for each in found if each]
    return [_forged_object(each, fault) for each in items]


def _ids(item: Mapping[str, Any]) -> set[str]:
    """Return the id of a message, thread, label or history record, with the ids of the messages
    that it contains."""
    named = {str(item.get("id"))}
    return named | {str(each["id"]) for each in item.get("messages", ())}


def _forged_record(record: JsonObject, fault: Fault) -> JsonObject | None:
    if fault.about and not _ids(record) & {*fault.about}:
        return record
    if fault.page == "removed":
        deleted = [{"message": each} for each in record["messages"]]
        return {"id": record["id"], "messages": record["messages"], "messagesDeleted": deleted}
    left_out = {"no removals": _REMOVALS, "no changes": _ADDITIONS}.get(fault.page or "", ())
    kept = {name: value for name, value in record.items() if name not in left_out}
    return kept if kept.keys() - {"id", "messages"} else None


def _forged_object(item: JsonObject, fault: Fault) -> JsonObject:
    if fault.about and item.get("id") not in fault.about:
        return item
    if fault.page == "partial":
        return {name: value for name, value in item.items() if name in _OF_A_PART}
    if fault.page == "uncounted":
        return {name: value for name, value in item.items() if name not in _COUNTS}
    if fault.page == "miscounted":
        return item | {each: item[each] + fault.off_by for each in _COUNTS if each in item}
    return item
