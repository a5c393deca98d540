"""Split a message into its MIME parts without changing a byte, and describe it as FETCH does:
numbered sections, ENVELOPE and BODYSTRUCTURE (RFC 3501, sections 6.4.5 and 7.4.2)."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses
from typing import Any

from localdev.simulators.imap.message_bytes import extract_message_section, header_value
from localdev.simulators.imap.response import format_imap_string

MAX_DEPTH, MAX_PARTS = 20, 1000
_NIL = b"NIL"


@dataclass(frozen=True, slots=True)
class Part:
    """A MIME part of a message, or the whole message.

    header_and_body_bytes: bytes of the part: header and body.
    children: the parts of a multipart; for a `message/rfc822` part, the enclosed message alone.
        Empty for all other parts.
    """

    header_and_body_bytes: bytes
    headers: Message
    children: tuple["Part", ...]

    @property
    def body(self) -> bytes:
        return extract_message_section(self.header_and_body_bytes, "TEXT")

    @property
    def is_multipart(self) -> bool:
        return self.headers.get_content_maintype() == "multipart" and bool(self.children)

    @property
    def has_enclosed_message(self) -> bool:
        return self.headers.get_content_type() == "message/rfc822" and bool(self.children)


def parse_part_tree(raw: bytes, *, depth: int = 0) -> Part:
    """Parse a message or a MIME part, with all parts inside.

    depth: number of parts that enclose this part. Parts at MAX_DEPTH are not split.
    """
    headers = BytesHeaderParser(policy=compat32).parsebytes(extract_message_section(raw, "HEADER"))
    children: tuple[Part, ...] = ()
    body = extract_message_section(raw, "TEXT")
    if depth < MAX_DEPTH and headers.get_content_maintype() == "multipart":
        pieces = _split(body, _attempt(headers.get_boundary) or "")
        children = tuple(parse_part_tree(piece, depth=depth + 1) for piece in pieces)
    elif depth < MAX_DEPTH and headers.get_content_type() == "message/rfc822":
        children = (parse_part_tree(body, depth=depth + 1),)
    return Part(raw, headers, children)


def extract_numbered_section(raw: bytes, name: str, fields: Iterable[str] = ()) -> bytes:
    """Return the bytes of a section of one MIME part, such as `1.2`, `1.2.MIME` or `2.HEADER`.
    Return b"" if the message lacks the part."""
    match = re.fullmatch(r"(\d+(?:\.\d+)*)(?:\.(.+))?", name)
    if match is None:
        return b""
    part = parse_part_tree(raw)
    for level, number in enumerate(match[1].split(".")):
        found = _child(part, int(number), is_message=level == 0)
        if found is None:
            return b""
        part = found
    if match[2] is None:
        return part.body
    if match[2] == "MIME":
        return extract_message_section(part.header_and_body_bytes, "HEADER")
    return (
        extract_message_section(part.children[0].header_and_body_bytes, match[2], fields)
        if part.has_enclosed_message
        else b""
    )


def format_envelope(raw: bytes) -> bytes:
    """Return the value of the FETCH item ENVELOPE for a message."""
    sender = _addresses(raw, "From")
    values = [
        _text(header_value(raw, "Date")),
        _text(header_value(raw, "Subject")),
        sender,
        *(_or(_addresses(raw, name), sender) for name in ("Sender", "Reply-To")),
        *(_addresses(raw, name) for name in ("To", "Cc", "Bcc")),
        *(_text(header_value(raw, name)) for name in ("In-Reply-To", "Message-ID")),
    ]
    return b"(%b)" % b" ".join(values)


def format_body_structure(part: Part) -> bytes:
    """Return the value of BODYSTRUCTURE, with its extension data."""
    kind = part.headers.get_content_subtype()
    parameters = _parameters(part, "content-type")
    tail = [_disposition(part), _text(part.headers.get("Content-Language")), _NIL]
    if part.is_multipart:
        children = b"".join(map(format_body_structure, part.children))
        return b"(%b)" % b" ".join([children + b" " + format_imap_string(kind), parameters, *tail])
    body, main = part.body, part.headers.get_content_maintype()
    values = [
        *(format_imap_string(main), format_imap_string(kind), parameters),
        *(_text(part.headers.get(name)) for name in ("Content-ID", "Content-Description")),
        format_imap_string(str(part.headers.get("Content-Transfer-Encoding", "7bit")).strip()),
        b"%d" % len(body),
    ]
    if part.has_enclosed_message:
        values += [
            format_envelope(part.children[0].header_and_body_bytes),
            format_body_structure(part.children[0]),
        ]
    if part.has_enclosed_message or main == "text":
        values.append(b"%d" % body.count(b"\n"))
    return b"(%b)" % b" ".join([*values, _NIL, *tail])


def _split(body: bytes, boundary: str) -> list[bytes]:
    """Return the parts between the boundary lines, at most MAX_PARTS. If the closing boundary line
    is missing, the last part ends with the body."""
    if not boundary:
        return []
    line = re.escape(boundary.encode("utf-8", "surrogateescape"))
    pieces, start = list[bytes](), None
    for match in re.finditer(rb"(?:\r\n|\A)--" + line + rb"(--)?[ \t]*(?=\r\n|\Z)", body):
        if start is not None:
            pieces.append(body[start : match.start()])
        if match[1] or len(pieces) >= MAX_PARTS:
            return pieces
        start = match.end() + 2
    return [*pieces, body[start:]] if start is not None else pieces


def _child(part: Part, number: int, *, is_message: bool) -> Part | None:
    """Return the part with this number, or None if there is none. In a message that is no
    multipart, part 1 is the text of the message."""
    inside = part.children[0] if part.has_enclosed_message and not is_message else part
    if inside.is_multipart:
        return inside.children[number - 1] if 0 < number <= len(inside.children) else None
    return inside if number == 1 and (is_message or part.has_enclosed_message) else None


def _addresses(raw: bytes, field: str) -> bytes:
    value = header_value(raw, field)
    found = [each for each in getaddresses([value]) if any(each)] if value else []
    if not found:
        return _NIL
    return b"(%b)" % b"".join(_address(name, address) for name, address in found)


def _address(name: str, address: str) -> bytes:
    mailbox, at, host = address.rpartition("@")
    local = mailbox if at else host
    return b"(%b NIL %b %b)" % (
        _text(name or None),
        format_imap_string(local),
        format_imap_string(host if at else ""),
    )


def _parameters(part: Part, header: str) -> bytes:
    found = _attempt(lambda: part.headers.get_params(header=header)) or []
    pairs = [(name, value) for name, value in found[1:] if isinstance(value, str)]
    is_text = header == "content-type" and part.headers.get_content_maintype() == "text"
    if is_text and not any(name.lower() == "charset" for name, _ in pairs):
        pairs.append(("charset", "us-ascii"))
    words = b" ".join(format_imap_string(word) for pair in pairs for word in pair)
    return b"(%b)" % words if words else _NIL


def _disposition(part: Part) -> bytes:
    kind = _attempt(part.headers.get_content_disposition)
    if not kind:
        return _NIL
    return b"(%b %b)" % (format_imap_string(kind), _parameters(part, "content-disposition"))


def _text(value: object) -> bytes:
    return _NIL if value is None else format_imap_string(" ".join(str(value).split()))


def _or(value: bytes, default: bytes) -> bytes:
    return default if value == _NIL else value


def _attempt(read: Callable[[], Any]) -> Any:
    """Call a function of the standard library; return None if it raises on malformed headers."""
    try:
        return read()
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
