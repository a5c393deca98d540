"""Serve the methods of the Gmail API that return messages and attachments."""

from base64 import urlsafe_b64encode
from typing import Any

from localdev.simulators.gmail.call import GmailCall, GmailResult
from localdev.simulators.gmail.message_view import GmailMessage
from localdev.simulators.gmail.reading import require_reading

FORMATS = ("full", "metadata", "minimal", "raw")


def get_message(call: GmailCall) -> GmailResult:
    form = call.choice("format", FORMATS)
    if form in ("full", "raw"):
        require_reading(call)
    message = call.gmail.message(call.names[0])
    is_full = form in ("full", "raw")
    return GmailResult(
        document=message_to_json(message, form),
        full_message_count=int(is_full),
        bodiless_message_count=int(not is_full),
    )


def message_to_json(message: GmailMessage, form: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": message.id,
        "threadId": message.thread_id,
        "snippet": message.snippet,
        "sizeEstimate": message.size_estimate,
        "historyId": message.history_id,
        "internalDate": str(message.internal_date_ms),
    }
    if message.label_ids:
        document["labelIds"] = list(message.label_ids)
    if form == "raw":
        document["raw"] = urlsafe_b64encode(message.raw).decode()
    return document
