"""Make a mailbox of realistic sizes as Maildir folders. The same options give the same bytes."""

import base64
import math
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

MEDIAN_BYTES, MAX_BYTES, SPREAD = 10_000, 1_000_000, 1.2
"""The sizes follow a log-normal distribution with this median and standard deviation."""
MAX_TEXT_BYTES, MAX_HTML_BYTES = 6_000, 60_000
FIRST_MESSAGE_AT = datetime(2024, 1, 1, 8, tzinfo=UTC)
_WORDS = (
    *("the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by"),
    *("order", "invoice", "meeting", "project", "report", "customer", "delivery", "contract"),
    *("schedule", "budget", "review", "release", "Grüße", "Rückfrage", "café", "señor", "Łódź"),
)


def write_maildir(folder: Path, messages: int, share_in_inbox: float, folders: int) -> int:
    """Write the mailbox below `folder`, an empty Maildir of Dovecot; return its bytes.

    share_in_inbox: share of the messages in the inbox; the others are spread evenly.
    folders: number of folders beside the inbox.
    """
    total, in_inbox = 0, round(messages * share_in_inbox)
    names = [f".Folder {number}" for number in range(folders)]
    for name in ("", *names):
        for part in ("cur", "new", "tmp"):
            (folder / name / part).mkdir(parents=True, exist_ok=True)
    for number in range(messages):
        name = "" if number < in_inbox or not names else names[number % folders]
        raw = make_message(number)
        # With S= and W= the server need not read a file to know its sizes.
        file = f"{1_700_000_000 + number}.M{number}P1.bench,S={len(raw)},W={len(raw)}:2,"
        path = folder / name / "cur" / (file + ("S" if number % 3 else ""))
        path.write_bytes(raw)
        received_at = (FIRST_MESSAGE_AT + timedelta(minutes=number)).timestamp()
        os.utime(path, (received_at, received_at))
        total += len(raw)
    return total


def make_message(number: int) -> bytes:
    """Return a message with text, from some size on HTML as well, and then an attachment."""
    random_of_message = random.Random(number)
    size = draw_size(random_of_message)
    text = _text(random_of_message, min(MAX_TEXT_BYTES, size // 3))
    parts = [_part("text/plain; charset=utf-8", "8bit", text.encode())]
    if size > 3_000:
        html = make_html(random_of_message, min(MAX_HTML_BYTES, size - len(text)))
        parts.append(_part("text/html; charset=utf-8", "8bit", html.encode()))
    body = _multipart("alternative", f"a{number}", parts)
    if (left := size - len(body)) > MAX_HTML_BYTES // 2:
        attached = base64.encodebytes(random_of_message.randbytes(left * 57 // 78))
        head = 'application/pdf\r\nContent-Disposition: attachment; filename="invoice.pdf"'
        attachment = _part(head, "base64", attached.replace(b"\n", b"\r\n"))
        body = _multipart("mixed", f"m{number}", [body, attachment])
    return _header(random_of_message, number).encode() + body


def draw_size(random_of_message: random.Random) -> int:
    """Return the size of a message in bytes, from the distribution of `MEDIAN_BYTES`."""
    return min(MAX_BYTES, round(MEDIAN_BYTES * math.exp(random_of_message.gauss(0, SPREAD))))


def _header(random_of_message: random.Random, number: int) -> str:
    sender, sent_at = number % 97, FIRST_MESSAGE_AT + timedelta(minutes=number)
    received = "".join(
        f"Received: from mx{hop}.example.org (mx{hop}.example.org [192.0.2.{hop}])\r\n"
        f"\tby mail.example.com with ESMTPS id {random_of_message.randbytes(8).hex()}\r\n"
        f"\tfor <ann@example.com>; {format_datetime(sent_at)}\r\n"
        for hop in range(1, 4)
    )
    subject = _text(random_of_message, 40).strip().encode()
    return (
        f"Return-Path: <person{sender}@example.org>\r\n{received}"
        f"From: =?utf-8?q?Person_n=C2=B0_{sender}?= <person{sender}@example.org>\r\n"
        f"To: Ann <ann@example.com>, team{sender % 7}@example.com\r\n"
        f"Subject: =?utf-8?b?{base64.b64encode(subject).decode()}?=\r\n"
        f"Date: {format_datetime(sent_at)}\r\n"
        f"Message-ID: <{number}.{random_of_message.randbytes(12).hex()}@example.org>\r\n"
        "MIME-Version: 1.0\r\n"
    )


def _multipart(kind: str, boundary: str, parts: list[bytes]) -> bytes:
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'
    body = b"".join(f"--{boundary}\r\n".encode() + each + b"\r\n" for each in parts)
    return head.encode() + body + f"--{boundary}--\r\n".encode()


def _part(kind: str, encoding: str, content: bytes) -> bytes:
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + content


def _text(random_of_message: random.Random, size: int) -> str:
    return "".join(_lines(random_of_message, size, "{}\r\n"))


def make_html(random_of_message: random.Random, size: int) -> str:
    """Return an HTML body of about this size in bytes."""
    line = '<tr><td style="font: 14px sans-serif; color: #333">{}</td></tr>\r\n'
    lines = "".join(_lines(random_of_message, size, line))
    return f"<html><head><style>td {{ padding: 4px }}</style></head><table>{lines}</table></html>"


def _lines(random_of_message: random.Random, size: int, form: str) -> Iterator[str]:
    while size > 0:
        line = form.format(" ".join(random_of_message.choices(_WORDS, k=10)))
        size -= len(line)
        yield line
