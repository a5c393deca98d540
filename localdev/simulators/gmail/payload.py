"""Make the JSON of a message's parts in the form of `format=full`.

The module uses the mail parser of Python's standard library, and Mailsync uses a parser of its own.
With one parser on both sides, no test would notice an error of this parser.
Texts are converted to UTF-8; `charset` and `size` remain those of the original text. Encoded words
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
"""A function that takes a part's id and returns a new attachment id for the part."""
JsonObject = dict[str, Any]
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bBqQ]\?[^?]*\?=")
_UNREADABLE = (LookupError, ValueError, TypeError, AttributeError)
"""The exceptions that the standard library raises for malformed parameters."""


def parse_mime_message(raw: bytes) -> Message:
    """Parse a message. A message that is nested too deeply for the parser becomes one text part
    without a header."""
    try:
        return message_from_bytes(raw, policy=policy.compat32)
    except RecursionError:
        mail = Message()
        mail.set_payload(raw)
        return mail


def payload_to_json(mail: Message, new_id: AttachmentIdMaker, *, max_inline_bytes: int) -> Any:
    """Return the JSON of a message's `payload`.

    max_inline_bytes: largest size of a text that the payload contains. A larger text gets an
        attachment id instead.
    """
    return _part_to_json(mail, "", new_id, max_inline_bytes)


def header_fields_to_json(mail: Message, wanted: Collection[str] = ()) -> list[JsonObject]:
    """Return the header fields as JSON. A field that occurs several times is listed several times.

    wanted: names of the fields to return. Empty: all fields.
    """
    names = {each.lower() for each in wanted}
    return [
        {"name": replace_invalid_characters(name), "value": _decode_words(_unfold(str(value)))}
        for name, value in mail.raw_items()
        if not names or name.lower() in names
    ]


def walk_parts(mail: Message, part_id: str = "") -> Iterator[tuple[str, Message]]:
    """Yield all parts of a message with their part ids. The first pair is the message itself, with
    an empty id."""
    yield part_id, mail
    for child_id, child in _children(mail, part_id):
        yield from walk_parts(child, child_id)


def decode_content(mail: Message) -> bytes:
    """Return the content of a part without its transfer encoding. The content of an enclosed
    message is the whole message."""
    if mail.get_content_maintype() == "message" and mail.is_multipart():
        try:
            return b"".join(each.as_bytes() for each in _messages(mail))
        except _UNREADABLE:
            return b""
    content = mail.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def replace_invalid_characters(text: str) -> str:
    """Replace everything in a text that UTF-8 cannot encode by U+FFFD: bytes of a header that are
    not UTF-8, and unpaired surrogates."""
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
        "mimeType": replace_invalid_characters(mail.get_content_type()),
        "filename": name,
        "headers": header_fields_to_json(mail),
        "body": {"size": 0},
    }
    if children := _children(mail, part_id):
        item["parts"] = [
            _part_to_json(child, child_id, new_id, max_inline_bytes) for child_id, child in children
        ]
        return item
    if mail.get_content_maintype() == "multipart" or not (content := decode_content(mail)):
        return item
    item["body"] = {"size": len(content)}
    is_text = mail.get_content_maintype() == "text"
    if name or not is_text or len(content) > max_inline_bytes:
        item["body"]["attachmentId"] = new_id(part_id)
    else:
        item["body"]["data"] = urlsafe_b64encode(_to_utf_8(content, mail)).decode()
    return item


def _children(mail: Message, part_id: str) -> list[tuple[str, Message]]:
    """Return the parts of a multipart with their part ids; empty for any other part. An enclosed
    message is one part without parts."""
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
    return replace_invalid_characters(_ENCODED_WORD.sub(_decoded, _BETWEEN_WORDS.sub(r"\1", value)))


def _decoded(word: re.Match[str]) -> str:
    try:
        [(content, charset)] = decode_header(word[0])
        return content.decode(charset or "ascii") if isinstance(content, bytes) else content
    except (*_UNREADABLE, ArithmeticError):
        return word[0]
