"""Serve `threads.list` and `threads.get`. A thread shows all of its messages, those in Trash and
Spam included; labels belong to messages.

Source: Gmail API documentation, reference of `users.threads`.
"""

from collections.abc import Iterable
from typing import Any

from localdev.simulators.gmail.call import GmailCall, GmailResult
from localdev.simulators.gmail.errors import invalid_argument
from localdev.simulators.gmail.ids import page_token
from localdev.simulators.gmail.mailbox import ListedMessage
from localdev.simulators.gmail.message_view import GmailMessage
from localdev.simulators.gmail.payload import clean
from localdev.simulators.gmail.reading import MAX_ESTIMATE, require_reading
from localdev.simulators.gmail.shapes import FORMATS_OF_THREADS, FORMATS_WITH_BODY, message_to_json

_EVERYTHING = 1_000_000_000


def get_thread(call: GmailCall) -> GmailResult:
    form = call.choice("format", FORMATS_OF_THREADS)
    has_body = form in FORMATS_WITH_BODY
    if has_body:
        require_reading(call)
    gmail = call.gmail
    with gmail.neutral.database.transaction():
        messages = gmail.messages_of(gmail.numbers_of_thread(call.names[0]))
    shown = [
        message_to_json(
            message,
            form,
            call.texts("metadataHeaders"),
            attachment_ids=call.attachment_ids,
            max_inline_bytes=call.behaviour.max_inline_text_bytes,
        )
        for message in messages
    ]
    document = {"id": call.names[0], "historyId": _history_id(messages), "messages": shown}
    return GmailResult(
        document=document,
        full_message_count=len(shown) * has_body,
        bodiless_message_count=len(shown) * (not has_body),
    )


def list_threads(call: GmailCall) -> GmailResult:
    """Return a page of the threads that have a message with all of the labels. Threads are ordered
    by the newest of those messages."""
    if call.text("q"):
        require_reading(call)
        raise invalid_argument("The simulator does not search mail.")
    with call.gmail.neutral.database.transaction():
        rest = _threads_after(call, call.text("pageToken"))
        page = rest[: call.page_size()]
        shown = [thread_to_json(call, each.thread_id) for each in page]
    document: dict[str, Any] = {"resultSizeEstimate": min(len(rest), MAX_ESTIMATE)}
    if page:
        document["threads"] = shown
    if len(rest) > len(page):
        document["nextPageToken"] = page_token(page[-1].received_at, page[-1].number)
    return GmailResult(document=document)


def thread_to_json(call: GmailCall, thread_id: str) -> dict[str, Any]:
    """Return a thread as a list shows it, without its messages."""
    messages = call.gmail.messages_of(call.gmail.numbers_of_thread(thread_id))
    snippet = clean(messages[-1].snippet)
    return {"id": thread_id, "snippet": snippet, "historyId": _history_id(messages)}


def newest_of_threads(listed: Iterable[ListedMessage]) -> list[ListedMessage]:
    """Return the first message of each thread, in the order of the list."""
    found: dict[str, ListedMessage] = {}
    for each in listed:
        found.setdefault(each.thread_id, each)
    return list(found.values())


def _threads_after(call: GmailCall, token: str | None) -> list[ListedMessage]:
    """Return the newest message of each thread that a page token has not passed."""
    threads = newest_of_threads(_matching(call, None))
    if token is None:
        return threads
    rest = {each.id for each in _matching(call, token)}
    return [each for each in threads if each.id in rest]


def _matching(call: GmailCall, token: str | None) -> list[ListedMessage]:
    """Return the messages that the labels select, newest first, from a page token on."""
    listed, _ = call.gmail.list_page(
        call.texts("labelIds"),
        includes_spam_trash=call.is_true("includeSpamTrash"),
        token=token,
        limit=_EVERYTHING,
    )
    return listed


def _history_id(messages: Iterable[GmailMessage]) -> str:
    return str(max(int(each.history_id) for each in messages))
