"""Make the parts of a message as `format=full` shows them, with the parser of the standard library,
which the product does not use.

Texts are converted to UTF-8, while `charset` and `size` remain those of the message; encoded words
in headers are decoded. Sources: Gmail API documentation, reference of `users.messages`;
openclaw/gogcli #446.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Iterator
from email import message_from_bytes, policy
from email.header import decode_header
from email.message import Message
from typing import Any

AttachmentIdMaker = Callable[[str], str]
"""Returns a new attachment id for the part with this part id."""
JsonObject = dict[str, Any]
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bBqQ]\?[^?]*\?=")
_UNREADABLE = (LookupError, ValueError, TypeError, AttributeError)
"""What the standard library raises for malformed parameters."""


def parse(raw: bytes) -> Message:
    """Return the message in its parts. One that is nested too deeply is a text without a header."""
    try:
        return message_from_bytes(raw, policy=policy.compat32)
    except RecursionError:
        mail = Message()
        mail.set_payload(raw)
        return mail


def payload_to_json(mail: Message, new_id: AttachmentIdMaker, *, max_inline_bytes: int) -> Any:
    """Return the payload of a message. max_inline_bytes: a longer text is an attachment."""
    return _part_to_json(mail, "", new_id, max_inline_bytes)


def headers_to_json(mail: Message, wanted: Collection[str] = ()) -> list[JsonObject]:
    """Return the header fields, each as often as it occurs. wanted: names; empty: all."""
    names = {each.lower() for each in wanted}
    return [
        {"name": clean(name), "value": _decode_words(_unfold(str(value)))}
        for name, value in mail.raw_items()
        if not names or name.lower() in names
    ]


def walk(mail: Message, part_id: str = "") -> Iterator[tuple[str, Message]]:
    """Yield all parts with their part ids, the message first; its id is empty."""
    yield part_id, mail
    for child_id, child in _children(mail, part_id):
        yield from walk(child, child_id)


def content_of(mail: Message) -> bytes:
    """Return the content of a part without its transfer encoding; of a message in a message, the
    whole message."""
    if mail.get_content_maintype() == "message" and mail.is_multipart():
        try:
            return b"".join(each.as_bytes() for each in _messages(mail))
        except _UNREADABLE:
            return b""
    content = mail.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def clean(text: str) -> str:
    """Return the text without what UTF-8 cannot hold: bytes of a header that are no UTF-8, and
    halves of surrogate pairs, become U+FFFD."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _part_to_json(
    mail: Message, part_id: str, new_id: AttachmentIdMaker, max_inline_bytes: int
) -> JsonObject:
    name = _file_name(mail)
    item: JsonObject = {
        "partId": part_id,
        "mimeType": clean(mail.get_content_type()),
        "filename": name,
        "headers": headers_to_json(mail),
        "body": {"size": 0},
    }
    if children := _children(mail, part_id):
        item["parts"] = [
            _part_to_json(child, child_id, new_id, max_inline_bytes) for child_id, child in children
        ]
        return item
    if mail.get_content_maintype() == "multipart" or not (content := content_of(mail)):
        return item
    item["body"] = {"size": len(content)}
    is_text = mail.get_content_maintype() == "text"
    if name or not is_text or len(content) > max_inline_bytes:
        item["body"]["attachmentId"] = new_id(part_id)
    else:
        item["body"]["data"] = urlsafe_b64encode(_to_utf_8(content, mail)).decode()
    return item


def _children(mail: Message, part_id: str) -> list[tuple[str, Message]]:
    """Return the parts of a multipart with their part ids. A message in a message is one part."""
    if mail.get_content_maintype() != "multipart":
        return []
    prefix = f"{part_id}." if part_id else ""
    return [(f"{prefix}{number}", each) for number, each in enumerate(_messages(mail))]


def _messages(mail: Message) -> list[Message]:
    parts = mail.get_payload()
    return [each for each in parts if isinstance(each, Message)] if isinstance(parts, list) else []


def _file_name(mail: Message) -> str:
    try:
        return _decode_words(_unfold(mail.get_filename() or ""))
    except _UNREADABLE:
        return ""


def _to_utf_8(content: bytes, mail: Message) -> bytes:
    try:
        return content.decode(mail.get_content_charset() or "utf-8", "replace").encode()
    except _UNREADABLE:
        return content.decode("utf-8", "replace").encode()


def _unfold(value: str) -> str:
    return re.sub(r"\r?\n", "", value)


def _decode_words(value: str) -> str:
    return clean(_ENCODED_WORD.sub(_decoded, _BETWEEN_WORDS.sub(r"\1", value)))


def _decoded(word: re.Match[str]) -> str:
    try:
        [(content, charset)] = decode_header(word[0])
        return content.decode(charset or "ascii") if isinstance(content, bytes) else content
    except (*_UNREADABLE, ArithmeticError):
        return word[0]
