"""Convert messages of the Gmail API. Pure functions."""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from mailsync.mime import ParsedMessage, parse_message
from mailsync.model import Message, MessageNotFoundByIdResult, RemoteId
from mailsync.providers.gmail.history import to_high_or_normal_importance
from mailsync.providers.gmail.labels import CHAT, DRAFT, IMPORTANT, STARRED, UNREAD, to_folder_ids
from mailsync.providers.gmail.payload import parse_message_from_payload
from mailsync.providers.gmail.responses import (
    MalformedResponse,
    decode_base64url,
    read_id,
    read_label_ids,
    read_object_list,
)

_MILLISECONDS = re.compile(r"-?[0-9]{1,19}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_raw_message(
    remote_id: RemoteId, item: Mapping[str, Any]
) -> Message | MessageNotFoundByIdResult:
    """Return the message in a response to `messages.get` with `format=raw`. A chat is returned as a
    MessageNotFoundByIdResult, because Mailsync does not mirror chats.

    Raises:
        MalformedResponse: the response is about another message, or lacks a field.
    """
    if read_id(item) != remote_id:
        raise MalformedResponse("id")
    if CHAT in read_label_ids(item):
        return MessageNotFoundByIdResult(remote_id)
    raw = decode_base64url(item, "raw")
    if not raw and item.get("sizeEstimate") != 0:
        raise MalformedResponse("raw")
    return to_message(item, parse_message(raw))


def parse_full_format_message(
    remote_id: RemoteId, item: Mapping[str, Any]
) -> Message | MessageNotFoundByIdResult | None:
    """Return the message in a response with `format=full`. Return None unless it is certain that
    the result equals the result of `parse_raw_message` for this message. A chat is returned as a
    MessageNotFoundByIdResult.

    Raises:
        MalformedResponse: the response is about another message, or lacks a field.
    """
    if read_id(item) != remote_id:
        raise MalformedResponse("id")
    if CHAT in read_label_ids(item):
        return MessageNotFoundByIdResult(remote_id)
    mail = parse_message_from_payload(item.get("payload"))
    return to_message(item, mail) if mail else None


def parse_thread(
    item: Mapping[str, Any], thread_id: RemoteId, wanted: Collection[RemoteId]
) -> dict[RemoteId, Message | MessageNotFoundByIdResult]:
    """Return the wanted messages of a thread, by id. A message is missing in the result if the
    thread lacks it, or if its parsed form may differ from what its raw bytes would give.

    Raises:
        MalformedResponse: the response is about another thread, or has no list of messages.
    """
    if read_id(item) != thread_id:
        raise MalformedResponse("id")
    found: dict[RemoteId, Message | MessageNotFoundByIdResult] = {}
    for each in read_object_list(item, "messages"):
        with suppress(MalformedResponse):
            remote_id = read_id(each)
            message = parse_full_format_message(remote_id, each) if remote_id in wanted else None
            if message and read_id(each, "threadId") == thread_id:
                found[remote_id] = message
    return found


def to_message(item: Mapping[str, Any], mail: ParsedMessage) -> Message:
    """Build a message from two sources.

    item: the API's JSON object, which has the id, the thread, the labels and the time of receipt.
    mail: the parsed contents of the mail, such as subject, addresses and texts.
    """
    labels = read_label_ids(item)
    return Message(
        remote_id=read_id(item),
        folder_remote_ids=to_folder_ids(labels),
        internet_message_id=mail.internet_message_id,
        conversation_id=read_id(item, "threadId"),
        subject=mail.subject,
        sender=mail.from_or_sender_address,
        to=mail.to,
        cc=mail.cc,
        bcc=mail.bcc,
        reply_to=mail.reply_to,
        preview=mail.preview,
        body_html=mail.body_html,
        body_text=mail.body_text,
        is_read=UNREAD not in labels,
        is_draft=DRAFT in labels,
        is_flagged=STARRED in labels,
        has_attachments=mail.has_attachments,
        importance=to_high_or_normal_importance(IMPORTANT in labels),
        received_at=_received_at(item) or mail.sent_at,
        sent_at=mail.sent_at,
        message_kind=mail.message_kind,
    )


def _received_at(item: Mapping[str, Any]) -> datetime | None:
    """Return `internalDate`, which counts milliseconds since 1970 in UTC. None: the date is out of
    the range of `datetime`."""
    found = item.get("internalDate")
    if not isinstance(found, str) or not _MILLISECONDS.fullmatch(found):
        raise MalformedResponse("internalDate")
    try:
        return _EPOCH + timedelta(milliseconds=int(found))
    except OverflowError:
        return None
