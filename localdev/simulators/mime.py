"""The RFC 5322 form of a message that came without one."""

import re
from collections.abc import Iterator
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from quopri import encodestring
from typing import Any

from localdev.mail.decode import well_formed
from localdev.simulators.mailbox import StoredMessage


def compose_mime(message: StoredMessage) -> bytes:
    """Whatever is in its properties: an address that no header may have stands there in UTF-8."""
    kind = "html" if message.body_type == "html" else "plain"
    fields = (
        *_fields(message.properties),
        ("MIME-Version", "1.0"),
        ("Content-Type", f"text/{kind}; charset=utf-8"),
        ("Content-Transfer-Encoding", "quoted-printable"),
    )
    header = "".join(f"{name}: {value}\n" for name, value in fields)
    return well_formed(header).encode() + b"\n" + encodestring(well_formed(message.body).encode())


def _fields(properties: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Subject", _phrase(properties["subject"])
    yield "Date", format_datetime(datetime.fromisoformat(properties["sentDateTime"]))
    if properties.get("from"):
        yield "From", _address(properties["from"])
    for name, recipients in (("To", "toRecipients"), ("Cc", "ccRecipients")):
        if properties[recipients]:
            yield name, ",\n ".join(_address(each) for each in properties[recipients])
    if properties["internetMessageId"]:
        yield "Message-ID", _one_line(properties["internetMessageId"])


def _address(recipient: dict[str, Any]) -> str:
    address = recipient["emailAddress"]
    name = _phrase(address["name"])
    if name.isascii() and not name.startswith("=?"):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name} <{_one_line(address['address'])}>"


def _phrase(text: str) -> str:
    """On one line, as encoded words where it is not ASCII."""
    line = _one_line(well_formed(text))
    return line if line.isascii() else Header(line, "utf-8").encode()


def _one_line(text: str) -> str:
    return " ".join(text.split())
