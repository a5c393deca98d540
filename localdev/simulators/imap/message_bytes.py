"""Cut sections out of the bytes of a message (RFC 3501, 6.4.5)."""

import re
from collections.abc import Callable, Iterable

_HEADER_END = re.compile(rb"\A\r\n|\r\n\r\n")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:.*\r\n(?:[ \t].*\r\n)*")


def extract_message_section(raw: bytes, name: str, fields: Iterable[str] = ()) -> bytes:
    """Return the bytes of a section of a message (RFC 3501, 6.4.5).

    name: HEADER, TEXT, HEADER.FIELDS or HEADER.FIELDS.NOT. Empty: the whole message.
    fields: names of the header fields that HEADER.FIELDS includes or HEADER.FIELDS.NOT omits.
    """
    end = _HEADER_END.search(raw)
    header, text = (raw[: end.end()], raw[end.end() :]) if end else (raw, b"")
    match name:
        case "":
            return raw
        case "HEADER":
            return header
        case "TEXT":
            return text
    wanted = {each.lower().encode() for each in fields}
    is_wanted: Callable[[bytes], bool] = wanted.__contains__
    if name.endswith(".NOT"):
        is_wanted = lambda field: field not in wanted  # noqa: E731
    found = (each for each in _FIELD.finditer(header) if is_wanted(each[1].lower()))
    return b"".join(each[0] for each in found) + b"\r\n"


def header_value(raw: bytes, field: str) -> str | None:
    """Return the value of a header field on one line. Return None if the message lacks the
    field."""
    found = extract_message_section(raw, "HEADER.FIELDS", [field])
    if found == b"\r\n":
        return None
    value = found.partition(b":")[2].decode("utf-8", "replace")
    return " ".join(value.split())
