"""Parse raw messages (RFC 5322, MIME), including malformed messages. The parser never raises an
error."""

import re
from dataclasses import dataclass
from datetime import datetime

from mailsync.mime.addresses import parse_addresses
from mailsync.mime.bodies import Attachment, classify_parts
from mailsync.mime.charsets import guess_charset_and_decode
from mailsync.mime.headers import HeaderSection, parse_date, parse_message_ids, read_header_section
from mailsync.mime.parts import MimePart, split_message_into_parts
from mailsync.mime.preview import make_preview
from mailsync.model import Address

MAX_ADDRESSES = 10_000
MAX_REFERENCES = 1_000
MAX_SUBJECT_CHARS = 10_000
_MAX_NAMED = 3  # headers of one message that are named as malformed
_MAX_LEADING_BYTES = 100

_LEADING = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*")
_IMPORTANCE = {
    "high": "high", "urgent": "high", "1": "high", "2": "high",
    "low": "low", "non-urgent": "low", "4": "low", "5": "low",
}  # fmt: skip
_IMPORTANCE_HEADERS = ("importance", "x-priority", "x-msmail-priority", "priority")
_CALENDAR_KINDS = {"request": "eventMessageRequest", "reply": "eventMessageResponse"}
_CALENDAR_METHOD = re.compile(rb"^METHOD:([A-Z]{1,20})", re.MULTILINE | re.IGNORECASE)
_PGP = re.compile(r"^-----BEGIN PGP (SIGNED )?MESSAGE-----[ \t]*$", re.MULTILINE)
_PGP_BEGIN = "-----BEGIN PGP "
_PKCS7 = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMessage:
    """The contents of a message. Times are in UTC. All text can be stored in Postgres.

    from_or_sender_address: the first address of From. If From has no address, the first address of
        Sender. None: neither has an address.
    sent_at: None: the message has no readable date.
    body_text: all plain texts that are not attachments, joined. None: there is no plain text.
    body_html: all HTML texts that are not attachments, joined. None: there is no HTML text.
    has_attachments: whether there are attachments that the body does not show inline. Microsoft
        Graph's `hasAttachments` has this meaning, too.
    importance: `low`, `normal` or `high`.
    message_kind: `message`; for invitations a name of Microsoft Graph, such as
        `eventMessageRequest`; `signed` or `encrypted` (S/MIME, PGP); `report` (delivery reports,
        read receipts).
    parsing_problem_descriptions: phrases that say what is malformed, such as "has a text that is
        not in UTF-8".
    """

    internet_message_id: str | None
    in_reply_to: str | None
    referenced_message_ids: tuple[str, ...]
    subject: str
    from_or_sender_address: Address | None
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    preview: str
    body_html: str | None
    body_text: str | None
    has_attachments: bool
    attachments: tuple[Attachment, ...]
    importance: str
    sent_at: datetime | None
    message_kind: str
    parsing_problem_descriptions: tuple[str, ...] = ()


def parse_message(raw: bytes) -> ParsedMessage:
    """Parse a raw message. Content that cannot be read is left out and named in
    `parsing_problem_descriptions`."""
    root, problems = split_message_into_parts(_normalised(raw))
    return parse_message_from_parts(root, problems)


def parse_message_from_parts(root: MimePart, problems: tuple[str, ...] = ()) -> ParsedMessage:
    """Return the contents of a message that was already split into its parts.

    root: the message as a part with children.
    problems: phrases that say what is malformed in the structure of the message.
    """
    header = root.header
    bodies = classify_parts(root)
    text, html = bodies.join_plain_texts(), bodies.join_html_texts()
    attachments = bodies.list_attachments(html)
    fields = _Fields(header)
    senders = fields.addresses("from") or fields.addresses("sender")
    to, cc = fields.addresses("to"), fields.addresses("cc")
    sent_at = parse_date(header.read_undecoded_value("date"))
    preview = make_preview(text or "", "text") or make_preview(html or "", "html")
    return ParsedMessage(
        internet_message_id=_message_id(header),
        in_reply_to=_in_reply_to(header, (*senders, *to, *cc)),
        referenced_message_ids=parse_message_ids(header.read_undecoded_value("references"))[
            :MAX_REFERENCES
        ],
        subject=header.read_decoded_value("subject")[:MAX_SUBJECT_CHARS],
        from_or_sender_address=senders[0] if senders else None,
        to=to,
        cc=cc,
        bcc=fields.addresses("bcc"),
        reply_to=fields.addresses("reply-to"),
        preview=preview,
        body_html=html,
        body_text=text,
        has_attachments=any(not each.is_inline for each in attachments),
        attachments=attachments,
        importance=_importance(header),
        sent_at=sent_at,
        message_kind=_kind(root, text or ""),
        parsing_problem_descriptions=(
            *problems,
            *fields.problems(sent_at),
            *bodies.problem_descriptions,
        ),
    )


def find_internet_message_id(raw: bytes) -> str | None:
    """Return the Message-ID of a raw message or of a header alone. Return None if there is no
    Message-ID."""
    raw = _normalised(raw)
    return _message_id(read_header_section(raw, 0, len(raw))[0])


def _normalised(raw: bytes) -> bytes:
    """Return the message without a byte order mark and blank lines at its start. If its lines end
    with a carriage return alone, replace each one by a line feed."""
    start = _LEADING.match(raw, 0, _MAX_LEADING_BYTES).end()  # type: ignore[union-attr]
    raw = raw[start:] if start else raw
    return raw.replace(b"\r", b"\n") if b"\r" in raw and b"\n" not in raw else raw


class _Fields:
    """The fields of a message's header."""

    def __init__(self, header: HeaderSection) -> None:
        self._header = header
        self._has_too_many = False

    def addresses(self, name: str) -> tuple[Address, ...]:
        """Return the addresses of all fields of this name. If an address has no display name, its
        name is the address itself, as Microsoft Graph returns it."""
        found = parse_addresses(self._header.join_undecoded_values(name), limit=MAX_ADDRESSES + 1)
        self._has_too_many |= len(found) > MAX_ADDRESSES
        return tuple(
            Address(each.name or each.address, each.address) for each in found[:MAX_ADDRESSES]
        )

    def problems(self, sent_at: datetime | None) -> tuple[str, ...]:
        found = []
        if odd := {
            name.title(): guess_charset_and_decode(value)[1]
            for name, value in self._header.fields
            if not value.isascii()
        }:
            named = [f"{name} ({charset})" for name, charset in odd.items()]
            more = f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
            found.append(f"has bytes above 127 in {', '.join(named[:_MAX_NAMED])}{more}")
        if self._has_too_many:
            found.append(f"has more than {MAX_ADDRESSES:,} addresses in one field")
        if sent_at is None and self._header.read_undecoded_value("date"):
            found.append("has a date that cannot be read")
        return tuple(found)


def _message_id(header: HeaderSection) -> str | None:
    text = header.read_undecoded_value("message-id")
    return next(iter(parse_message_ids(text)), text) or None


def _in_reply_to(header: HeaderSection, people: tuple[Address, ...]) -> str | None:
    """Return the first id in In-Reply-To that is not an address of the message. Some programs write
    `Message from Ada <ada@example.org> of Monday <id@example.org>`; with Ada's address as the id,
    all replies to Ada would be one conversation. Return None if there is no id."""
    found = parse_message_ids(header.read_undecoded_value("in-reply-to"))
    addresses = {f"<{each.address}>" for each in people} if len(found) > 1 else set()
    return next((each for each in found if each not in addresses), None)


def _importance(header: HeaderSection) -> str:
    for name in _IMPORTANCE_HEADERS:
        words = header.read_undecoded_value(name).lower().split()
        if words:
            return _IMPORTANCE.get(words[0].strip("()"), "normal")
    return "normal"


def _kind(root: MimePart, text: str) -> str:
    pgp = _PGP.search(text) if _PGP_BEGIN in text else None
    smime = (
        root.content_type_parameters.get("smime-type", "").lower()
        if root.content_type in _PKCS7
        else None
    )
    if root.content_type == "multipart/encrypted" or (pgp and not pgp[1]):
        return "encrypted"
    if smime is not None:
        return "signed" if smime.startswith("signed") else "encrypted"
    for part in root.walk_parts():
        if part.content_type == "text/calendar" and part.disposition != "attachment":
            return _calendar_kind(part)
    if root.content_type == "multipart/report":
        return "report"
    is_signed = pgp is not None or any(
        each.content_type == "multipart/signed" for each in root.walk_parts()
    )
    return "signed" if is_signed else "message"


def _calendar_kind(part: MimePart) -> str:
    method = part.content_type_parameters.get("method", "")
    if not method and (found := _CALENDAR_METHOD.search(part.decode_content(10_000))):
        method = found[1].decode("ascii")
    return _CALENDAR_KINDS.get(method.lower(), "eventMessage") if method else "message"
