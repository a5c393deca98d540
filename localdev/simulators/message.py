"""Convert a mail to the properties of Graph's message resource, which are stored once."""

import html
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from localdev.mail.item import Address, MailItem

PREVIEW_CHARS = 255
# The parser of the standard library raises at a section of any other name.
_UNKNOWN_SECTION = re.compile(
    r"<!\[(?!(?:if|else|endif|temp|cdata|ignore|include|rcdata)(?![-_.a-z0-9]))", re.IGNORECASE
)


def wire_time(moment: datetime) -> str:
    """Return the time in UTC and whole seconds as Graph writes it: `2026-01-31T09:30:00Z`."""
    # isoformat, since strftime writes the year 150 with three digits.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def properties_of(item: MailItem) -> dict[str, Any]:
    """Return the mail as properties of Graph's message, without ids, folder, read state and body.

    `from` and `sender` are left out, not null, if a draft has no sender.
    """
    conversation = uuid5(NAMESPACE_URL, item.conversation or item.subject).hex
    sender = {"from": _recipient(item.sender), "sender": _recipient(item.sender)}
    received_at = wire_time(item.received_at)
    return {
        "createdDateTime": received_at,
        "lastModifiedDateTime": received_at,
        "receivedDateTime": received_at,
        "sentDateTime": wire_time(item.sent_at),
        "categories": list(item.categories),
        "hasAttachments": item.has_attachments,
        "internetMessageId": item.internet_message_id,
        "subject": item.subject,
        "bodyPreview": preview(item.body, item.body_type),
        "importance": item.importance,
        "conversationId": "AAQkAGI2THVSAAQA" + conversation,
        "conversationIndex": "AQHb" + conversation[:24],
        "isDeliveryReceiptRequested": False,
        "isReadReceiptRequested": False,
        "isDraft": item.is_draft,
        "webLink": f"https://outlook.office365.com/owa/?ItemID={conversation}&exvsurl=1",
        "inferenceClassification": "focused",
        **(sender if item.sender else {}),
        "toRecipients": _recipients(item.to),
        "ccRecipients": _recipients(item.cc),
        "bccRecipients": _recipients(item.bcc),
        "replyTo": _recipients(item.reply_to),
        "flag": {"flagStatus": "flagged" if item.is_flagged else "notFlagged"},
    }


def preview(body: str, body_type: str) -> str:
    """Return the first 255 characters of the body as one line of text, Graph's bodyPreview."""
    # A whole newsletter need not be parsed for its first line.
    text = html_to_text(body[:20_000]) if body_type == "html" else body[:4_000]
    return re.sub(r"\s+", " ", text).strip()[:PREVIEW_CHARS]


def text_to_html(text: str) -> str:
    return (
        '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
        f'</head><body><div class="PlainText">{html.escape(text, quote=False)}</div></body></html>'
    )


def html_to_text(markup: str) -> str:
    extractor = _TextExtractor()
    extractor.feed(_UNKNOWN_SECTION.sub("<! [", markup))
    extractor.close()
    return "".join(extractor.text).strip()


class _TextExtractor(HTMLParser):
    _UNSEEN = frozenset({"script", "style", "head", "title"})
    _BREAKS = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in self._UNSEEN
        # A page whose head is never closed still has a body.
        if tag == "body":
            self._unseen = 0
        if tag in self._BREAKS:
            self.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._UNSEEN and self._unseen:
            self._unseen -= 1

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.text.append(data)


def _recipient(address: Address | None) -> dict[str, Any]:
    named = address or Address("", "")
    return {"emailAddress": {"name": named.name or named.address, "address": named.address}}


def _recipients(addresses: tuple[Address, ...]) -> list[dict[str, Any]]:
    return [_recipient(each) for each in addresses]
