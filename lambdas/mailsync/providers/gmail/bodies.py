"""Fetch whole messages, several at the same time."""

from collections.abc import Sequence

from mailsync.model import GoneMessage, Message, RemoteId, UnreadableMessage
from mailsync.providers import ResponseTooLarge
from mailsync.providers.gmail import units
from mailsync.providers.gmail.errors import (
    TOO_LARGE_STATUS,
    GmailResponse,
    to_mailsync_error,
)
from mailsync.providers.gmail.http import (
    MAX_EQUAL_REFUSALS,
    MAX_MESSAGE_RESPONSE_BYTES,
    GmailClient,
    Request,
    path_of,
)
from mailsync.providers.gmail.messages import parse_raw_message

MAX_TEXT_CHARS = 32 * 2**20
"""The limit of the texts that one call returns."""
MIN_FAILURES_OF_MAILBOX = 5
"""The number of messages that all fail from which on the failure is no property of the messages."""
_Result = Message | GoneMessage | UnreadableMessage


def fetch_messages(
    client: GmailClient, ids: Sequence[RemoteId], *, one_by_one: bool = False
) -> list[_Result]:
    """Fetch messages by id; return one result per id, in the order of the ids.

    Raises:
        ResponseTooLarge: request fewer ids at a time; never raised for a single id.
        errors of `MailProvider`: a failure concerns the mailbox and not a single message.
    """
    requests = {
        each: Request(path_of("messages", each), units.GET_MESSAGE, (("format", "raw"),), True)
        for each in ids
    }
    ids_by_path = {request.path: remote_id for remote_id, request in requests.items()}
    found = client.get_each(
        list(requests.values()),
        lambda request, response: parse_raw_message(ids_by_path[request.path], response.body),
        one_by_one=one_by_one,
    )
    failed = [each for each in found if isinstance(each, GmailResponse)]
    _require_mailbox(client, failed, has_success=len(failed) < len(found))
    results = {
        remote_id: _failed_message(remote_id, each) if isinstance(each, GmailResponse) else each
        for remote_id, each in zip(requests, found, strict=True)
    }
    if len(results) > 1 and sum(map(_text_chars, results.values())) > MAX_TEXT_CHARS:
        raise ResponseTooLarge
    return [results[each] for each in ids]


def _require_mailbox(
    client: GmailClient, failed: Sequence[GmailResponse], *, has_success: bool
) -> None:
    """Raise the error of the failed responses if it concerns the mailbox, and not single messages.

    It does if Gmail says so, if several messages are refused, or if no message was returned and
    either many failed or the mailbox does not respond to a simple request.
    """
    for each in failed:
        if each.is_refusal_of_mailbox:
            raise to_mailsync_error(each)
    refused = [each for each in failed if each.status == 403]
    if len(refused) >= MAX_EQUAL_REFUSALS or (refused and not has_success):
        raise to_mailsync_error(refused[0])
    unanswered = [each for each in failed if each.is_transient]
    if not unanswered or has_success:
        return
    profile = client.get(Request("profile", units.GET_PROFILE))
    if not profile.is_ok or len(unanswered) >= MIN_FAILURES_OF_MAILBOX:
        raise to_mailsync_error(unanswered[0])


def _failed_message(remote_id: RemoteId, response: GmailResponse) -> _Result:
    """Return the result for a message that was not fetched, while the mailbox responds.

    The API's report that a message does not exist is only a hint: mail that was just sent can be
    reported so for some seconds (byeokim/gmailpush #10).
    """
    if response.is_not_found or response.is_invalid_argument:
        return GoneMessage(remote_id)
    if response.status == TOO_LARGE_STATUS:
        size = f"{MAX_MESSAGE_RESPONSE_BYTES * 3 // 4 // 2**20} MB"
        return UnreadableMessage(remote_id, "too_large", f"The message has more than {size}.")
    return UnreadableMessage(remote_id, "unanswered", str(to_mailsync_error(response)))


def _text_chars(result: _Result) -> int:
    if not isinstance(result, Message):
        return 0
    return len(result.body_text or "") + len(result.body_html or "")
