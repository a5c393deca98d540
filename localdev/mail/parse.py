"""Convert a raw message (RFC 5322) to a MailItem, with Mailsync's parser."""

from datetime import UTC, datetime
from typing import Literal, cast

from localdev.mail.item import MailItem
from mailsync.mime import parse_message
from mailsync.mime.headers import parse_date, read_header_section

_UNDATED = datetime(1970, 1, 1, tzinfo=UTC)


def parse_mail(raw: bytes, *, folder: tuple[str, ...] = (), is_read: bool = True) -> MailItem:
    """Parse a message (RFC 5322) and return it, without a report on what is malformed in it."""
    return parse_mail_and_find_malformations(raw, folder=folder, is_read=is_read)[0]


def parse_mail_and_find_malformations(
    raw: bytes, *, folder: tuple[str, ...] = (), is_read: bool = True
) -> tuple[MailItem, tuple[str, ...]]:
    """Parse a message (RFC 5322); return it, and phrases that say what is malformed in it, such as
    "has no date". The body of the mail item is the message's HTML, as in Exchange, or the text if
    the message has no HTML."""
    mail = parse_message(raw)
    received_at = _received_at(raw) or mail.sent_at
    undated = () if received_at else ("has no date that can be read, so it is of 1970",)
    conversation = [*mail.referenced_message_ids, mail.in_reply_to, mail.internet_message_id]
    item = MailItem(
        subject=mail.subject,
        body=mail.body_text or "" if mail.body_html is None else mail.body_html,
        body_type="text" if mail.body_html is None else "html",
        received_at=received_at or _UNDATED,
        sent_at=mail.sent_at or received_at or _UNDATED,
        folder=folder,
        sender=mail.from_or_sender_address,
        to=mail.to,
        cc=mail.cc,
        bcc=mail.bcc,
        reply_to=mail.reply_to,
        internet_message_id=mail.internet_message_id,
        conversation=next((each for each in conversation if each), None),
        is_read=is_read,
        importance=cast(Literal["low", "normal", "high"], mail.importance),
        has_attachments=mail.has_attachments,
    )
    return item, (*mail.parsing_problem_descriptions, *undated)


def _received_at(raw: bytes) -> datetime | None:
    """Return when the last server received the message: the time in the first Received header.
    None: the header is missing or has no time."""
    _, separator, date = (
        read_header_section(raw, 0, len(raw))[0].read_undecoded_value("received").rpartition(";")
    )
    return parse_date(date) if separator else None
