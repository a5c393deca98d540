"""Read the header of a message or of a part, and decode its fields: encoded words (RFC 2047),
parameters (RFC 2231), identifiers and dates, also malformed ones."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from urllib.parse import unquote_to_bytes

from mailsync.mime.charsets import decode_text, guess_charset_and_decode
from mailsync.mime.transfer import decode_transfer_encoding
from mailsync.storable import to_storable_text

MAX_HEADER_BYTES = 1_000_000
MAX_HEADER_FIELDS = 5_000
_MAX_STRAY_LINES = 20
_MAX_FIELDS_AFTER_STRAY = 500
_MAX_PARAMETERS = 200
_MAX_DATE_CHARS = 200

_FIELD = re.compile(
    rb"([!-9;-~\x80-\xff]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)", re.DOTALL
)
_BLANK_LINE = re.compile(rb"\r*(?:\n|\Z)")
_END_OF_HEADER = re.compile(rb"\n\r*\n")
_ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")
_SEGMENT = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.?)*+(?:"|\Z))++', re.DOTALL)
_PARAMETER_NAME = re.compile(r"([^*]*)(?:\*(\d{1,3}))?(\*?)")
_CHARSET_PREFIX = re.compile(r"([\w.:+-]*)'[\w-]*'")
_IDENTIFIER = re.compile(r"<([^<>]*)>")
_ZONE_WITH_OFFSET = re.compile(r"\b(?:GMT|UTC|UT)\s*([+-]\d\d):?(\d\d)\b")


@dataclass(frozen=True, slots=True)
class HeaderSection:
    """The fields of a header. Their names are in lower case; their values are the bytes of the
    message.

    stray_line_count: number of lines that were skipped because they are not fields.
    is_truncated: whether fields after a limit were skipped.
    """

    fields: tuple[tuple[str, bytes], ...]
    stray_line_count: int = 0
    is_truncated: bool = False

    def find_value_bytes(self, name: str) -> bytes | None:
        """Return the bytes of the value of the first field with this name. Return None if there is
        no such field."""
        for each, value in self.fields:  # a generator takes twice the time
            if each == name:
                return value
        return None

    def read_undecoded_value(self, name: str) -> str:
        """Return the value of the first field with this name on one line. Encoded words are not
        decoded: identifiers such as Message-ID contain none (RFC 2047, section 5). Return "" if
        there is no such field."""
        value = self.find_value_bytes(name)
        return unfold_raw_value(value) if value else ""

    def read_decoded_value(self, name: str) -> str:
        """Return the value of the first field with this name on one line, with its encoded words
        decoded. Return "" if there is no such field."""
        return decode_header_text(self.read_undecoded_value(name))

    def join_undecoded_values(self, name: str) -> str:
        """Return the values of all fields with this name, separated by commas. Encoded words are
        not decoded."""
        return ", ".join(unfold_raw_value(value) for each, value in self.fields if each == name)


def read_header_section(raw: bytes, start: int, end: int) -> tuple[HeaderSection, int]:
    """Read the header at the start of `raw[start:end]`. Return the header, and the position of the
    body.

    A blank line ends the header. A line that is not a field is skipped if only fields and then a
    blank line follow it. Otherwise the body begins with this line.
    """
    fields: list[tuple[str, bytes]] = []
    stray_lines, position = 0, start
    limit = min(end, start + MAX_HEADER_BYTES)
    while position < limit and len(fields) < MAX_HEADER_FIELDS:
        if field := _FIELD.match(raw, position, limit):
            fields.append((field[1].lower().decode("latin-1"), field[2]))
            position = field.end()
        elif blank := _BLANK_LINE.match(raw, position, limit):
            return HeaderSection(tuple(fields), stray_lines), blank.end()
        elif stray_lines < _MAX_STRAY_LINES and (
            (position == start and raw.startswith((b"From ", b">From "), position))
            or _only_fields_follow(raw, position, limit)
        ):
            stray_lines += 1
            position = _line_end(raw, position, limit)
        else:
            return HeaderSection(tuple(fields), stray_lines), position
    if position >= end:
        return HeaderSection(tuple(fields), stray_lines), end
    end_of_header = _END_OF_HEADER.search(raw, max(start, position - 1), end)
    body = end_of_header.end() if end_of_header else end
    return HeaderSection(tuple(fields), stray_lines, is_truncated=True), body


def _line_end(raw: bytes, position: int, end: int) -> int:
    found = raw.find(b"\n", position, end)
    return end if found < 0 else found + 1


def _only_fields_follow(raw: bytes, position: int, limit: int) -> bool:
    """Return whether fields, at least one, follow the line at `position` up to a blank line."""
    position = _line_end(raw, position, limit)
    for count in range(_MAX_FIELDS_AFTER_STRAY):
        field = _FIELD.match(raw, position, limit)
        if field is None:
            return count > 0 and _BLANK_LINE.match(raw, position, limit) is not None
        position = field.end()
    return True


def unfold_raw_value(value: bytes) -> str:
    """Return the raw value of a field as text on one line. Bytes that are not ASCII are decoded by
    `guess_charset_and_decode`."""
    is_plain = value.isascii() and b"\x1b" not in value
    text = value.decode("ascii") if is_plain else guess_charset_and_decode(value)[0]
    return to_storable_text(" ".join(text.split()))


def decode_header_text(value: str) -> str:
    """Return the text of a header on one line, with encoded words decoded, also inside quotes.

    White space between two encoded words is dropped (RFC 2047 section 6.2). If two words split a
    character, their bytes are joined before they are decoded.
    """
    if "=?" not in value:
        return " ".join(value.split())
    text = _BETWEEN_WORDS.sub(r"\1", value)
    pieces: list[str] = []
    pending, charset, end = b"", "", 0
    for word in _ENCODED_WORD.finditer(text):
        name = word[1].partition("*")[0].lower()
        if pending and (word.start() != end or name != charset):
            pieces.append(decode_text(pending, charset))
            pending = b""
        if word.start() != end:
            pieces.append(text[end : word.start()])
        pending, charset, end = pending + _word_bytes(word[2], word[3]), name, word.end()
    if pending:
        pieces.append(decode_text(pending, charset))
    return to_storable_text(" ".join("".join([*pieces, text[end:]]).split()))


def _word_bytes(encoding: str, text: str) -> bytes:
    if encoding in "qQ":
        return decode_transfer_encoding(text.replace("_", " ").encode("utf-8"), "quoted-printable")
    return decode_transfer_encoding(text.encode("utf-8"), "base64")


def parse_value_and_parameters(text: str) -> tuple[str, Mapping[str, str]]:
    """Parse a field's value with parameters, such as that of Content-Type. Return the value without
    parameters, and the parameters by name in lower case.

    Continuations are joined and charsets decoded (RFC 2231). Encoded words are decoded too, because
    many programs write them in parameters. If a parameter has an extended and a plain form, the
    extended form is used.
    """
    segments = [each[0] for each in _segments(text)]
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bool, str]]] = {}
    for segment in segments[1:]:
        label, _, value = segment.partition("=")
        found = _PARAMETER_NAME.fullmatch(label.strip().lower())
        if not found or not found[1]:
            continue
        if found[2] is None and not found[3]:
            plain.setdefault(found[1], _unquoted(value))
        else:
            numbered = sections.setdefault(found[1], {})
            numbered.setdefault(int(found[2] or 0), (bool(found[3]), _unquoted(value)))
    values = {name: decode_header_text(value) for name, value in plain.items()}
    values |= {name: _joined_sections(each) for name, each in sections.items() if 0 in each}
    return segments[0].strip() if segments else "", values


def _segments(text: str) -> Iterator[re.Match[str]]:
    for number, segment in enumerate(_SEGMENT.finditer(text)):
        if number > _MAX_PARAMETERS:
            return
        yield segment


def _unquoted(value: str) -> str:
    value = value.strip()
    if not value.startswith('"'):
        return value
    closed = len(value) > 1 and value.endswith('"')
    return re.sub(r'\\([\\"])', r"\1", value[1:-1] if closed else value[1:])


def _joined_sections(sections: Mapping[int, tuple[bool, str]]) -> str:
    charset, content, is_extended = "", b"", False
    number = 0
    while number in sections:
        is_encoded, value = sections[number]
        if is_encoded:
            is_extended = True
            if prefix := _CHARSET_PREFIX.match(value):
                charset, value = charset or prefix[1], value[prefix.end() :]
            content += unquote_to_bytes(value)
        else:
            content += value.encode("utf-8", "replace")
        number += 1
    text = decode_text(content, charset or None)
    return " ".join(text.split()) if is_extended else decode_header_text(text)


def parse_message_ids(text: str) -> tuple[str, ...]:
    """Return the message ids in a field's value, each with its `<` and `>`."""
    found = (_IDENTIFIER.findall(text)) if "<" in text else []
    return tuple(f"<{each}>" for each in ("".join(one.split()) for one in found) if each)


def parse_date(text: str) -> datetime | None:
    """Return the time in UTC, in whole seconds. Return None if the text is empty, malformed or an
    impossible time."""
    text = _ZONE_WITH_OFFSET.sub(r"\1\2", text[:_MAX_DATE_CHARS].strip())
    try:
        found = parsedate_tz(text)
        if found is None:
            moment = datetime.fromisoformat(text)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        else:
            zone = timezone(timedelta(seconds=found[9] or 0))
            aware = datetime(*found[:6], tzinfo=zone)
        return aware.astimezone(UTC).replace(microsecond=0)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
