"""Convert a message to the properties of Graph's message resource."""

import html
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from localdev.simulators.message import Message
from localdev.simulators.wire_time import format_utc_seconds
from mailsync.model import Address


def graph_message_properties(message: Message) -> dict[str, Any]:
    """Return the properties of Graph's message, without ids, folder, read state and body.

    If a draft has no sender, `from` and `sender` are left out and not null. A value in
    `Message.provider_specific_attributes` replaces the property of the same name.
    """
    item = message.mail_item
    conversation = make_conversation_uuid_hex(message.thread_key)
    sender = {"from": _recipient(item.sender), "sender": _recipient(item.sender)}
    received_at = format_utc_seconds(item.received_at)
    return {
        "createdDateTime": received_at,
        "lastModifiedDateTime": format_utc_seconds(message.modified_at),
        "receivedDateTime": received_at,
        "sentDateTime": format_utc_seconds(item.sent_at),
        "categories": list(item.categories),
        "hasAttachments": item.has_attachments,
        "internetMessageId": item.internet_message_id,
        "subject": item.subject,
        "bodyPreview": message.preview,
        "importance": item.importance,
        "conversationId": make_conversation_id(conversation),
        "conversationIndex": "AQHb" + conversation[:24],
        "isDeliveryReceiptRequested": False,
        "isReadReceiptRequested": False,
        "isDraft": item.is_draft,
        "webLink": make_web_link(conversation),
        "inferenceClassification": "focused",
        **(sender if item.sender else {}),
        "toRecipients": _recipients(item.to),
        "ccRecipients": _recipients(item.cc),
        "bccRecipients": _recipients(item.bcc),
        "replyTo": _recipients(item.reply_to),
        "flag": {"flagStatus": "flagged" if item.is_flagged else "notFlagged"},
        **message.provider_specific_attributes,
    }


@lru_cache(maxsize=10_000)
def make_conversation_uuid_hex(thread: str) -> str:
    """Return the part that identifies a thread in its conversation id and in web links.

    thread: the thread's `Message.thread_key`, a text that all its messages share.
    """
    return uuid5(NAMESPACE_URL, thread).hex


def make_conversation_id(conversation: str) -> str:
    return "AAQkAGI2THVSAAQA" + conversation


def make_web_link(conversation: str) -> str:
    return f"https://outlook.office365.com/owa/?ItemID={conversation}&exvsurl=1"


def text_to_html(text: str) -> str:
    return (
        '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
        f'</head><body><div class="PlainText">{html.escape(text, quote=False)}</div></body></html>'
    )


def _recipient(address: Address | None) -> dict[str, Any]:
    named = address or Address("", "")
    return {"emailAddress": {"name": named.name or named.address, "address": named.address}}


def _recipients(addresses: tuple[Address, ...]) -> list[dict[str, Any]]:
    return [_recipient(each) for each in addresses]
