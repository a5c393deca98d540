"""The user's own mail: an mbox file, a Maildir or a folder of .eml files.

Nothing is dropped silently: a part that cannot be read is read tolerantly, and a message
that cannot be read at all is reported with its cause. The old parser policy is used on
purpose: the newer one raises on headers that real mail has.
"""

import mailbox as stdlib_mailbox
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path
from typing import Any

from localdev.mail.decode import decoded_header, decoded_text
from localdev.mail.item import Address, MailItem

_UNDATED = datetime(1970, 1, 1, tzinfo=UTC)
_MAILDIR_PARTS = ("cur", "new")


@dataclass(frozen=True, slots=True)
class Problem:
    """`source` is a file and, in an mbox, the message's number in it."""

    source: str
    cause: str


@dataclass(slots=True)
class Loaded:
    """`problems` fills up while `items` is consumed."""

    items: Iterator[MailItem]
    problems: list[Problem] = field(default_factory=list)


def load_mail(path: Path) -> Loaded:
    """Raises FileNotFoundError when there is nothing at the path."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is neither an mbox file nor a folder of mail.")
    loaded = Loaded(iter(()))
    loaded.items = _items(path, loaded.problems)
    return loaded


def parse_mail(raw: bytes, *, folder: tuple[str, ...] = (), is_read: bool = True) -> MailItem:
    """One RFC 5322 message, with text, addresses and times as far as they can be made out."""
    message = message_from_bytes(raw, policy=policy.compat32)
    headers = _RawHeaders(message)
    sent_at = _date(headers.first("Date"))
    received_at = _received_at(headers) or sent_at or _UNDATED
    body, body_type = _body(message)
    senders = _addresses(headers, "From") or _addresses(headers, "Sender")
    references = (headers.first("References") or headers.first("In-Reply-To") or "").split()
    message_id = _one_line(headers.first("Message-ID")) or None
    return MailItem(
        subject=decoded_header(headers.first("Subject")),
        body=body,
        body_type="html" if body_type == "html" else "text",
        received_at=received_at,
        sent_at=sent_at or received_at,
        folder=folder,
        sender=senders[0] if senders else None,
        to=_addresses(headers, "To"),
        cc=_addresses(headers, "Cc"),
        bcc=_addresses(headers, "Bcc"),
        reply_to=_addresses(headers, "Reply-To"),
        internet_message_id=message_id,
        conversation=references[0] if references else message_id,
        is_read=is_read,
        has_attachments=any(_is_attachment(part) for part in message.walk()),
        headers=tuple((name, decoded_header(value)) for name, value in headers.items),
        mime=raw,
    )


def _items(path: Path, problems: list[Problem]) -> Iterator[MailItem]:
    for source, raw, folder, is_read in _raw_mail(path):
        if not raw.strip():
            problems.append(Problem(source, "empty message"))
            continue
        try:
            yield parse_mail(raw, folder=folder, is_read=is_read)
        except (ValueError, LookupError, TypeError, AttributeError) as failure:
            problems.append(Problem(source, f"{type(failure).__name__}: {failure}"))


def _raw_mail(path: Path) -> Iterator[tuple[str, bytes, tuple[str, ...], bool]]:
    """Source, bytes, folder path and read state of each message."""
    if path.is_file():
        yield from _mbox(path)
        return
    for file in sorted(path.rglob("*")):
        relative = file.relative_to(path)
        if file.is_file() and file.parent.name in _MAILDIR_PARTS:
            folder = _maildir_folder(relative.parts[:-2])
            yield str(relative), file.read_bytes(), folder, "S" in file.name.partition(":2,")[2]
        elif file.suffix.lower() == ".eml":
            yield str(relative), file.read_bytes(), relative.parts[:-1], True


def _mbox(path: Path) -> Iterator[tuple[str, bytes, tuple[str, ...], bool]]:
    box = stdlib_mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(box.keys(), start=1):
            raw = box.get_bytes(key)
            status = re.search(rb"^Status: (.*)$", raw[:20_000], re.MULTILINE)
            yield f"{path.name}#{number}", raw, (), status is None or b"R" in status[1]
    finally:
        box.close()


def _maildir_folder(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Maildir++ writes `Projects/Reports` as one folder `.Projects.Reports`."""
    return tuple(name for part in parts for name in part.split(".") if name)


def _body(message: Message) -> tuple[str, str]:
    """The richest text, HTML before plain, as Exchange keeps it; several plain parts are joined."""
    texts: dict[str, list[str]] = {"html": [], "plain": []}
    for part in message.walk():
        kind = part.get_content_subtype()
        if part.get_content_maintype() != "text" or kind not in texts or _is_attachment(part):
            continue
        payload: Any = part.get_payload(decode=True)
        texts[kind].append(decoded_text(payload or b"", part.get_content_charset()))
    if texts["html"]:
        return texts["html"][0], "html"
    return "\n".join(texts["plain"]), "plain"


def _is_attachment(part: Message) -> bool:
    if part.is_multipart() or part.get_content_disposition() == "inline":
        return False
    named = part.get_filename() is not None and part.get("Content-ID") is None
    return part.get_content_disposition() == "attachment" or named


class _RawHeaders:
    """As they stand in the message: `Message.get` turns raw bytes into question marks."""

    def __init__(self, message: Message) -> None:
        self.items = [(name, str(value)) for name, value in message.raw_items()]

    def all(self, wanted: str) -> list[str]:
        return [value for name, value in self.items if name.lower() == wanted.lower()]

    def first(self, wanted: str) -> str | None:
        return next(iter(self.all(wanted)), None)


def _addresses(headers: _RawHeaders, name: str) -> tuple[Address, ...]:
    raw = [_one_line(value) for value in headers.all(name)]
    return tuple(
        Address(decoded_header(display_name), address)
        for display_name, address in getaddresses(raw)
        if address or display_name
    )


def _received_at(headers: _RawHeaders) -> datetime | None:
    """When the last server took it in: the time behind the first Received header's semicolon."""
    received = headers.first("Received") or ""
    return _date(received.rpartition(";")[2]) if ";" in received else None


def _date(text: str | None) -> datetime | None:
    """In whole seconds UTC; None for a date that is missing, malformed or impossible."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text.strip())
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC).replace(microsecond=0)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _one_line(value: str | None) -> str:
    return " ".join((value or "").split())
