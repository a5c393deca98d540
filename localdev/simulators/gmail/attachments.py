"""Serve `messages.attachments.get`. The response has the content in `data`, as base64url without
padding (openclaw/gogcli #922).
"""

from base64 import urlsafe_b64encode

from localdev.simulators.gmail.call import GmailCall, GmailResult
from localdev.simulators.gmail.errors import invalid_argument_error
from localdev.simulators.gmail.payload import decode_content, parse_mime_message, walk_parts
from localdev.simulators.gmail.reading import require_body_reading_scope


def find_part_content(raw: bytes, part_id: str) -> bytes | None:
    """Return the content of a part of a raw message. Return None if the message has no such
    part."""
    parts = dict(walk_parts(parse_mime_message(raw)))
    return decode_content(parts[part_id]) if part_id in parts else None


def get_attachment(call: GmailCall) -> GmailResult:
    require_body_reading_scope(call)
    message_id, attachment_id = call.resource_ids_in_path
    message = call.gmail_mailbox.find_message(message_id)
    part_id = call.attachment_id_registry.find_part_id(message_id, attachment_id)
    content = None if part_id is None else find_part_content(message.raw_bytes, part_id)
    if content is None:
        raise invalid_argument_error("Invalid attachment token")
    data = urlsafe_b64encode(content).decode().rstrip("=")
    return GmailResult(json_body={"size": len(content), "data": data}, messages_with_body_count=1)
