"""Parse raw messages (RFC 5322, MIME)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import getaddresses, parsedate_to_datetime

from mailsync.model import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMessage:
    internet_message_id: str | None
    subject: str
    sender: Address | None
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    preview: str
    body_html: str | None
    body_text: str | None
    has_attachments: bool
    importance: str
    sent_at: datetime | None
    kind: str


def parse_message(raw: bytes) -> ParsedMessage:
    message = message_from_bytes(raw, policy=policy.default)

    def addresses(name: str) -> tuple[Address, ...]:
        return tuple(
            Address(name or it, it) for name, it in getaddresses(message.get_all(name, []))
        )

    html = message.get_body(("html",))
    text = message.get_body(("plain",))
    body_text = text.get_content() if text else None
    date = message["Date"]
    senders = addresses("From")
    return ParsedMessage(
        internet_message_id=message["Message-ID"],
        subject=message["Subject"] or "",
        sender=senders[0] if senders else None,
        to=addresses("To"),
        cc=addresses("Cc"),
        bcc=addresses("Bcc"),
        reply_to=addresses("Reply-To"),
        preview=" ".join((body_text or "").split())[:255],
        body_html=html.get_content() if html else None,
        body_text=body_text,
        has_attachments=any(True for _ in message.iter_attachments()),
        importance="normal",
        sent_at=parsedate_to_datetime(date).astimezone(UTC) if date else None,
        kind="message",
    )
