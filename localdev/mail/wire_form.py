"""Convert a message to the form in which a mail server transmits it."""

import re

_LINE_END = re.compile(rb"\r\n|\r|\n")


def convert_message_to_wire_bytes(raw: bytes) -> bytes:
    """Return the message with CRLF line ends, and with 0x80 for NUL, as Dovecot returns it."""
    return _LINE_END.sub(b"\r\n", raw).replace(b"\x00", b"\x80")
