"""Compose the bytes of a message (RFC 5322) from a mail of the simulated mailbox. The same mail
always gives the same bytes. No mail causes an error."""

import re
from base64 import encodebytes
from collections.abc import Iterable
from email.header import Header
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256

from localdev.mail.item import MailItem
from mailsync.model import Address

_ATTACHMENT = (
    b'Content-Type: text/plain; name="attachment.txt"\r\n'
    b'Content-Disposition: attachment; filename="attachment.txt"\r\n\r\n'
    b"An attachment of the simulated mail.\r\n"
)


@lru_cache(maxsize=4096)
def compose_message(item: MailItem) -> bytes:
    """Return the bytes of the message that the mail item describes."""
    part = (_multipart if item.has_attachments else _text)(item)
    header = "".join(f"{name}: {value}\r\n" for name, value in _header(item))
    return b"MIME-Version: 1.0\r\n" + header.encode() + part


def _text(item: MailItem) -> bytes:
    """Return the body as a MIME part: header fields, an empty line and the text in base64."""
    subtype = "html" if item.body_type == "html" else "plain"
    text = encodebytes(item.body.encode("utf-8", "replace"))
    fields = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: base64"
    return f"{fields}\r\n\r\n".encode() + text.replace(b"\n", b"\r\n")


def _multipart(item: MailItem) -> bytes:
    text = _text(item)
    boundary = sha256(item.subject.encode("utf-8", "replace") + b"\0" + text).hexdigest()[:32]
    kind = f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'
    line = f"--{boundary}".encode()
    return b"%b%b\r\n%b\r\n%b\r\n%b\r\n%b--\r\n" % (
        *(kind.encode(), line, text, line, _ATTACHMENT, line),
    )


def _header(item: MailItem) -> Iterable[tuple[str, str]]:
    if item.sender:
        yield "From", _addresses([item.sender])
    groups = {"To": item.to, "Cc": item.cc, "Bcc": item.bcc, "Reply-To": item.reply_to}
    for name, addresses in groups.items():
        if addresses:
            yield name, _addresses(addresses)
    yield "Subject", _words(item.subject)
    yield "Date", format_datetime(item.sent_at)
    if item.internet_message_id:
        yield "Message-ID", _words(item.internet_message_id)
    if item.conversation and item.conversation != item.internet_message_id:
        yield "References", _message_id(item.conversation)
    if item.importance != "normal":
        yield "Importance", item.importance.capitalize()


def _message_id(conversation: str) -> str:
    """Return the Message-ID to which all messages of the conversation refer."""
    if re.fullmatch(r"<[!-;=?-~]{1,200}>", conversation):
        return conversation
    digest = sha256(conversation.encode("utf-8", "replace")).hexdigest()[:32]
    return f"<{digest}@thread.invalid>"


def _addresses(addresses: Iterable[Address]) -> str:
    return ",\r\n ".join(_address(each) for each in addresses)


def _address(address: Address) -> str:
    where = _one_line(address.address)
    name = _one_line(address.name)
    if not name:
        return where if re.fullmatch(r"[!-;=?-~]+@[!-;=?-~]+", where) else f"<{where}>"
    if not name.isascii():
        return f"{Header(name, 'utf-8', maxlinelen=76).encode(linesep=chr(13) + chr(10))} <{where}>"
    quoted = re.sub(r'(["\\])', r"\\\1", name)
    return f'"{quoted}" <{where}>'


def _words(text: str) -> str:
    line = _one_line(text)
    if line.isascii() and "=?" not in line and len(line) < 900 and line == line.strip():
        return line
    return Header(line, "utf-8", maxlinelen=76).encode(linesep="\r\n")


def _one_line(text: str) -> str:
    """Return the text without characters that would end or corrupt a header field."""
    clean = text.encode("utf-8", "replace").decode()
    return re.sub(r"[\x00-\x1f\x7f]+", " ", clean)
