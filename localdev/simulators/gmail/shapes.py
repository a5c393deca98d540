"""Make the JSON of a message in the formats `full`, `metadata`, `minimal` and `raw`.

In the format `raw`, the message is base64url with padding (openclaw/gogcli #922). A message without
labels has no `labelIds`.
Source: Gmail API documentation, reference of `users.messages`.
"""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from localdev.simulators.gmail.attachment_ids import AttachmentIdRegistry
from localdev.simulators.gmail.message_view import GmailMessage
from localdev.simulators.gmail.payload import (
    header_fields_to_json,
    parse_mime_message,
    payload_to_json,
    replace_invalid_characters,
)

MESSAGE_FORMATS = ("full", "metadata", "minimal", "raw")
THREAD_FORMATS = ("full", "metadata", "minimal")
MESSAGE_FORMATS_WITH_BODY = frozenset({"full", "raw"})


def message_to_json(
    message: GmailMessage,
    form: str,
    metadata_headers: Sequence[str] = (),
    *,
    attachment_ids: AttachmentIdRegistry,
    max_inline_bytes: int,
) -> dict[str, Any]:
    """Return the JSON of a message.

    form: the format, one of `MESSAGE_FORMATS`.
    metadata_headers: names of the header fields in the format `metadata`. Empty: all fields.
    attachment_ids: makes new ids for the attachments in the format `full`.
    max_inline_bytes: largest size of a text part whose `data` is in the message. A larger text part
        has an attachment id instead.
    """
    document: dict[str, Any] = {
        "id": message.id,
        "threadId": message.thread_id,
        "snippet": replace_invalid_characters(message.snippet),
        "sizeEstimate": message.size_estimate,
        "historyId": message.history_id,
        "internalDate": str(message.internal_date_ms),
    }
    if message.label_ids:
        document["labelIds"] = list(message.label_ids)
    if form == "raw":
        document["raw"] = urlsafe_b64encode(message.raw_bytes).decode()
    elif form == "full":
        new_id, mail = (
            attachment_ids.invalidate_ids_and_build_id_maker(message.id),
            parse_mime_message(_shown(message)),
        )
        document["payload"] = payload_to_json(mail, new_id, max_inline_bytes=max_inline_bytes)
    elif form == "metadata":
        mail = parse_mime_message(message.raw_bytes)
        headers = header_fields_to_json(mail, metadata_headers)
        document["payload"] = {
            "mimeType": replace_invalid_characters(mail.get_content_type()),
            "headers": headers,
        }
    return document


def _shown(message: GmailMessage) -> bytes:
    """Return the bytes of the message for the format `full`. For a chat message they are its text
    without a header."""
    if message.chat_message_text is None:
        return message.raw_bytes
    return f"\r\n{message.chat_message_text}".encode()
