"""Parts of a mail as Gmail's `format=full` has them, made with the parser of the standard library,
which the product does not use."""

import re
from base64 import urlsafe_b64encode
from email import message_from_bytes, policy
from email.header import decode_header
from email.message import Message
from typing import Any

_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")


def payload_of(raw: bytes, *, decodes_words: bool = True) -> dict[str, Any]:
    """Return the payload of a raw mail.

    decodes_words: whether encoded words of headers are decoded.
    """
    return _part(message_from_bytes(raw, policy=policy.compat32), "", decodes_words)


def _part(mail: Message, part_id: str, decodes_words: bool) -> dict[str, Any]:
    name = mail.get_filename() or ""
    item: dict[str, Any] = {
        "partId": part_id,
        "mimeType": mail.get_content_type(),
        "filename": name,
        "headers": [
            {"name": field, "value": _value(str(value), decodes_words)}
            for field, value in mail.items()
        ],
    }
    if mail.get_content_maintype() == "multipart":
        parts = mail.get_payload()
        prefix = f"{part_id}." if part_id else ""
        item["body"] = {"size": 0}
        item["parts"] = [
            _part(each, f"{prefix}{number}", decodes_words)
            for number, each in enumerate(parts if isinstance(parts, list) else [])
            if isinstance(each, Message)
        ]
        return item
    content = mail.get_payload(decode=True)
    content = content if isinstance(content, bytes) else b""
    item["body"] = {"size": len(content)}
    if name or mail.get_content_maintype() != "text":
        item["body"]["attachmentId"] = f"A{part_id}"
    elif content:
        data = _to_utf_8(content, mail.get_content_charset())
        item["body"]["data"] = urlsafe_b64encode(data).decode().rstrip("=")
    return item


def _to_utf_8(content: bytes, charset: str | None) -> bytes:
    try:
        return content.decode(charset or "utf-8", "replace").encode()
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace").encode()


def _value(value: str, decodes_words: bool) -> str:
    unfolded = re.sub(r"\r?\n", "", value)
    if not decodes_words:
        return unfolded
    return re.sub(r"=\?[^?\s]+\?[bBqQ]\?[^?]*\?=", _decoded, _BETWEEN_WORDS.sub(r"\1", unfolded))


def _decoded(word: re.Match[str]) -> str:
    [(content, charset)] = decode_header(word[0])
    try:
        return content.decode(charset or "ascii") if isinstance(content, bytes) else content
    except (LookupError, ValueError):
        return word[0]
