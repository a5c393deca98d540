"""Parse a message (RFC 5322) to a MailItem. Malformed parts are skipped, and the rest is used.

The module uses the standard library's old parser policy on purpose: the newer policy raises errors
for headers of real mail.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar

from localdev.mail.addresses import parse_addresses
from localdev.mail.decode import (
    decode_by_claimed_charset,
    decode_by_guessed_charset,
    decode_header_text,
    decode_raw_header_bytes,
    original_header_bytes,
    to_well_formed_text,
)
from localdev.mail.item import Address, MailItem

_UNDATED = datetime(1970, 1, 1, tzinfo=UTC)
_HEADER = re.compile(rb"\A.*?\r?\n(?=\r?\n)", re.DOTALL)
_MAX_NAMED = 3  # headers of one message that are named as odd
Parsed = TypeVar("Parsed")


def parse_mail(raw: bytes, *, folder: tuple[str, ...] = (), is_read: bool = True) -> MailItem:
    """Parse a message (RFC 5322) and return it; malformed parts are ignored."""
    return parse_mail_with_oddities(raw, folder=folder, is_read=is_read)[0]


def parse_mail_with_oddities(
    raw: bytes, *, folder: tuple[str, ...] = (), is_read: bool = True
) -> tuple[MailItem, tuple[str, ...]]:
    """Parse a message; return it with phrases that say what is malformed in it, such as "has no
    date"."""
    message, parts, oddities = _taken_apart(raw)
    headers = _Headers(message)
    oddities += headers.oddities()
    sent_at = _date(headers.first("Date"))
    received_at = _received_at(headers) or sent_at
    if received_at is None:
        oddities.append("has no date that can be read, so it is of 1970")
    body, body_type = _body(parts, oddities)
    senders = headers.addresses("From") or headers.addresses("Sender")
    references = (headers.text("References") or headers.text("In-Reply-To")).split()
    message_id = headers.text("Message-ID") or None
    item = MailItem(
        subject=decode_header_text(headers.first("Subject")),
        body=body,
        body_type="html" if body_type == "html" else "text",
        received_at=received_at or _UNDATED,
        sent_at=sent_at or received_at or _UNDATED,
        folder=folder,
        sender=senders[0] if senders else None,
        to=headers.addresses("To"),
        cc=headers.addresses("Cc"),
        bcc=headers.addresses("Bcc"),
        reply_to=headers.addresses("Reply-To"),
        internet_message_id=message_id,
        conversation=references[0] if references else message_id,
        is_read=is_read,
        has_attachments=any(_is_attachment(part) for part in parts),
    )
    return item, tuple(dict.fromkeys(oddities))


def _taken_apart(raw: bytes) -> tuple[Message, tuple[Message, ...], list[str]]:
    """Split the message into its parts; one nested too deeply only into header and rest."""
    try:
        message = message_from_bytes(raw, policy=policy.compat32)
        return message, tuple(message.walk()), []
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError):
        message = BytesHeaderParser(policy=policy.compat32).parsebytes(raw)
        text = message_from_bytes(b"\n" + _HEADER.sub(b"", raw), policy=policy.compat32)
        return message, (text,), ["has parts that cannot be taken apart, so it is one text"]


def _body(parts: tuple[Message, ...], oddities: list[str]) -> tuple[str, str]:
    """Return body and type: the first HTML part, as Exchange keeps it, or all plain parts."""
    texts: dict[str, list[str]] = {"html": [], "plain": []}
    for part in parts:
        kind = _attempt(part.get_content_subtype, "plain")
        is_text = _attempt(part.get_content_maintype, "text") == "text"
        if not is_text or kind not in texts or _is_attachment(part):
            continue
        content = _attempt(partial(part.get_payload, decode=True), b"")
        texts[kind].append(
            _text(content or b"", _attempt(part.get_content_charset, None), oddities)
        )
    if texts["html"]:
        return texts["html"][0], "html"
    return "\n".join(texts["plain"]), "plain"


def _text(content: bytes, charset: str | None, oddities: list[str]) -> str:
    text = decode_by_claimed_charset(content, charset)
    if text is None:
        text, guessed = decode_by_guessed_charset(content)
        named = f"in its charset {charset}" if charset else "in UTF-8, and names no charset"
        oddities.append(f"has a text that is not {named}; read as {guessed}")
    if "\ufffd" in text:
        oddities.append("has a text with U+FFFD in the place of what is no character")
    return text


def _is_attachment(part: Message) -> bool:
    disposition = _attempt(part.get_content_disposition, "attachment")
    if part.is_multipart() or disposition == "inline":
        return False
    # A file name that cannot be read is one.
    named = _attempt(part.get_filename, "unreadable") is not None and part.get("Content-ID") is None
    return disposition == "attachment" or named


def _attempt(read: Callable[[], Any], default: Parsed) -> Any | Parsed:
    """Call a function of the standard library; return the default if it raises."""
    try:
        return read()
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError):
        return default


class _Headers:
    """The headers as they are in the message; `Message.get` would turn raw bytes into `?`."""

    def __init__(self, message: Message) -> None:
        self.items = [(name, str(value)) for name, value in message.raw_items()]

    def all(self, wanted: str) -> list[str]:
        return [value for name, value in self.items if name.lower() == wanted.lower()]

    def first(self, wanted: str) -> str | None:
        return next(iter(self.all(wanted)), None)

    def text(self, wanted: str) -> str:
        """Return a header on one line; identifiers have no encoded words (RFC 2047, section 5)."""
        return to_well_formed_text(
            " ".join(decode_raw_header_bytes(self.first(wanted) or "").split())
        )

    def addresses(self, wanted: str) -> tuple[Address, ...]:
        return parse_addresses(
            ", ".join(" ".join(decode_raw_header_bytes(each).split()) for each in self.all(wanted))
        )

    def oddities(self) -> list[str]:
        """Return one oddity: the headers with bytes above 127, with their guessed charsets."""
        odd = {
            name: decode_by_guessed_charset(original_header_bytes(value))[1]
            for name, value in self.items
            if not value.isascii()
        }
        if not odd:
            return []
        named = [f"{name} ({charset})" for name, charset in odd.items()]
        more = f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
        return [f"has bytes above 127 in {', '.join(named[:_MAX_NAMED])}{more}"]


def _received_at(headers: _Headers) -> datetime | None:
    """Return when the last server received the message: the time in the first Received header."""
    received = headers.first("Received") or ""
    return _date(received.rpartition(";")[2]) if ";" in received else None


def _date(text: str | None) -> datetime | None:
    """Return the time in UTC and whole seconds; None if it is missing, malformed or impossible."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text.strip())
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC).replace(microsecond=0)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
