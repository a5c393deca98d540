"""Read a message from the parts into which Gmail has split it (`format=full`). Pure functions.

Two kinds of requests use this format: threads, because a thread costs as much as two messages, and
messages whose raw form is too large. The result must equal the result from the raw message, so the
message is rebuilt as the MIME parser would have split it. If equality is not certain,
`parse_message_from_payload` returns None. These rules make equality certain:

- Texts: Gmail converts texts to UTF-8, while `charset` and `size` remain those of the message
  (openclaw/gogcli #446). So the original bytes of a text are restored. Their number must be `size`,
  and the MIME parser must decode them to the same text.
- Addresses: Gmail decodes encoded words in headers, so a decoded name can contain characters that
  separate addresses. Only address lists that cannot be misread are accepted.
- Damaged headers: Gmail may find other fields than the MIME parser. So a message must have the
  fields From, Date and Message-ID, must not repeat a field that is allowed only once, and must have
  no text whose first lines look like header fields.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mailsync.mime import ParsedMessage
from mailsync.mime.charsets import find_bytes_that_decode_to_text
from mailsync.mime.headers import MAX_HEADER_FIELDS, HeaderSection
from mailsync.mime.message import parse_message_from_parts
from mailsync.mime.parts import MAX_PART_NESTING_DEPTH, MimePart, build_part
from mailsync.providers.gmail.responses import MalformedResponse, decode_base64url, read_object_list

MAX_TEXT_BYTES_MIME_PARSER_KEEPS = 5_000_000
"""The maximum size in bytes of a decoded text. The MIME parser cuts off what exceeds
`MAX_ENCODED_BYTES_OF_JOINED_TEXTS`, a limit that counts encoded bytes."""
MAX_PARTS_PER_MULTIPART = 500
"""The maximum number of parts in one multipart of a payload."""
_ADDRESS_FIELDS = frozenset({"from", "sender", "to", "cc", "bcc", "reply-to"})
_CERTAIN_ADDRESSES = re.compile(
    r'\s*(?:"[^"<>@,;()\\]*"|[^"<>@,;:()\\]*)\s*<[^"<>()\s,;:\\]+@[^"<>()\s,;:\\]+>\s*'
)
_FIELDS_OF_EVERY_MAIL = frozenset({"from", "date", "message-id"})
_UNIQUE_FIELDS = _FIELDS_OF_EVERY_MAIL | _ADDRESS_FIELDS | {"subject", "content-type"}
_HEADER_IN_TEXT = re.compile(rb"\s*(?:[^\n]*\n){0,2}[!-9;-~]+-[!-9;-~]+[ \t]*:\s")
_STRAY_BYTES = re.compile(rb"\r(?!\n)|\x00")
_ENCODINGS = frozenset({"", "7bit", "8bit", "binary", "quoted-printable", "base64"})


class _Uncertain(Exception):
    pass


def parse_message_from_payload(payload: object) -> ParsedMessage | None:
    """Return the contents of the mail in a payload. Return None if they may differ from the
    contents of the raw message.

    payload: the field `payload` of a message of the Gmail API.
    """
    try:
        root = _part(payload, parent_type="", depth=0)
        names = {name for name, _ in root.header.fields}
        return parse_message_from_parts(root) if names >= _FIELDS_OF_EVERY_MAIL else None
    except (_Uncertain, MalformedResponse):
        return None


def _part(item: object, *, parent_type: str, depth: int) -> MimePart:
    if not isinstance(item, dict) or depth >= MAX_PART_NESTING_DEPTH:
        raise _Uncertain
    header = _header(item)
    part = build_part(header, b"", 0, 0, parent_type=parent_type)
    is_named = bool(item.get("filename"))
    if item.get("mimeType") != part.content_type or is_named != bool(part.file_name):
        raise _Uncertain
    if not part.content_type.startswith("multipart/"):
        content = _content(item, part) or b""
        return replace(
            part,
            bytes_containing_content=content,
            content_end_offset=len(content),
            transfer_encoding="",
        )
    items = read_object_list(item, "parts")
    if not 0 < len(items) <= MAX_PARTS_PER_MULTIPART:
        raise _Uncertain
    children = (_part(each, parent_type=part.content_type, depth=depth + 1) for each in items)
    return replace(part, children=tuple(children))


def _header(item: Mapping[str, Any]) -> HeaderSection:
    fields = []
    for each in read_object_list(item, "headers"):
        name, value = each.get("name"), each.get("value")
        if not isinstance(name, str) or not isinstance(value, str) or "\ufffd" in value:
            raise _Uncertain
        if name.lower() in _ADDRESS_FIELDS and not _has_certain_addresses(value):
            raise _Uncertain
        fields.append((name.lower(), value.encode("utf-8", "surrogatepass")))
    unique = [name for name, _ in fields if name in _UNIQUE_FIELDS]
    if len(fields) >= MAX_HEADER_FIELDS or len(unique) > len({*unique}):
        raise _Uncertain
    return HeaderSection(tuple(fields))


def _has_certain_addresses(value: str) -> bool:
    """Return whether a header has the same addresses as in the raw message, although Gmail may have
    decoded the names."""
    return value.isascii() or all(
        each.isascii() or _CERTAIN_ADDRESSES.fullmatch(each) for each in value.split(",")
    )


def _content(item: Mapping[str, Any], part: MimePart) -> bytes | None:
    """Return the content of a part as in the raw message. None: the content is not needed."""
    if part.disposition == "attachment" or not part.content_type.startswith("text/"):
        return None
    body = item.get("body")
    if not isinstance(body, dict) or part.transfer_encoding not in _ENCODINGS:
        raise _Uncertain
    size = body.get("size")
    if size == 0 and "attachmentId" not in body:
        return b""
    if (
        not isinstance(size, int)
        or not 0 < size <= MAX_TEXT_BYTES_MIME_PARSER_KEEPS
        or "data" not in body
    ):
        raise _Uncertain
    try:
        text = decode_base64url(body, "data").decode("utf-8")
    except UnicodeDecodeError:
        raise _Uncertain from None
    content = find_bytes_that_decode_to_text(text, part.charset, size)
    if content is None or _HEADER_IN_TEXT.match(content) or _STRAY_BYTES.search(content):
        raise _Uncertain
    return content
