"""Serve `threads.list` and `threads.get`. A thread contains all of its messages, also messages in
Trash and Spam. Only messages have labels.

Source: Gmail API documentation, reference of `users.threads`.
"""

from collections.abc import Iterable
from typing import Any

from localdev.simulators.gmail.call import GmailCall, GmailResult
from localdev.simulators.gmail.errors import invalid_argument_error
from localdev.simulators.gmail.message_view import GmailMessage
from localdev.simulators.gmail.payload import replace_invalid_characters
from localdev.simulators.gmail.reading import (
    RESULT_SIZE_ESTIMATE_IF_MORE_PAGES,
    require_body_reading_scope,
)
from localdev.simulators.gmail.shapes import (
    MESSAGE_FORMATS_WITH_BODY,
    THREAD_FORMATS,
    message_to_json,
)


def get_thread(call: GmailCall) -> GmailResult:
    form = call.read_enum_parameter("format", THREAD_FORMATS)
    has_body = form in MESSAGE_FORMATS_WITH_BODY
    if has_body:
        require_body_reading_scope(call)
    with call.gmail_mailbox.simulated_mailbox.database.transaction():
        messages = call.gmail_mailbox.list_thread_messages(call.resource_ids_in_path[0])
    shown = [
        message_to_json(
            message,
            form,
            call.read_repeated_parameter("metadataHeaders"),
            attachment_ids=call.attachment_id_registry,
            max_inline_bytes=call.behaviour_switches.max_inline_text_bytes,
        )
        for message in messages
    ]
    document = {
        "id": call.resource_ids_in_path[0],
        "historyId": _history_id(messages),
        "messages": shown,
    }
    return GmailResult(
        json_body=document,
        messages_with_body_count=len(shown) * has_body,
        messages_without_body_count=len(shown) * (not has_body),
    )


def list_threads(call: GmailCall) -> GmailResult:
    if call.read_text_parameter("q"):
        require_body_reading_scope(call)
        raise invalid_argument_error("The simulator does not search mail.")
    with call.gmail_mailbox.simulated_mailbox.database.transaction():
        page, token = call.gmail_mailbox.list_thread_page(
            call.read_repeated_parameter("labelIds"),
            includes_spam_trash=call.read_bool_parameter("includeSpamTrash"),
            token=call.read_text_parameter("pageToken"),
            limit=call.read_page_size(),
        )
        shown = [_thread_to_json(call, each.thread_id) for each in page]
    document: dict[str, Any] = {
        "resultSizeEstimate": RESULT_SIZE_ESTIMATE_IF_MORE_PAGES if token else len(page)
    }
    if shown:
        document["threads"] = shown
    if token:
        document["nextPageToken"] = token
    return GmailResult(json_body=document)


def _thread_to_json(call: GmailCall, thread_id: str) -> dict[str, Any]:
    """Return the JSON of a thread in `threads.list`, which has no messages."""
    messages = call.gmail_mailbox.list_thread_messages(thread_id)
    snippet = replace_invalid_characters(messages[-1].snippet)
    return {"id": thread_id, "snippet": snippet, "historyId": _history_id(messages)}


def _history_id(messages: Iterable[GmailMessage]) -> str:
    return str(max(int(each.history_id) for each in messages))
