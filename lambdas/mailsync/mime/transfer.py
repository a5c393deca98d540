"""Undo the content transfer encodings of mail (RFC 2045, section 6), also of damaged content.

Content is decoded in chunks, so that a large attachment needs little memory.
"""

import binascii
import re
from collections.abc import Iterator

_CHUNK_BYTES = 48 * 1024  # divisible by 4
_MAX_SEGMENTS = 10_000  # of base64, each with its padding
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NO_BASE64 = bytes(set(range(256)) - set(_BASE64))
_PADDING = re.compile(rb"[=\s]*")
_ONLY_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]{4,}")
_SOFT_BREAK = re.compile(rb"=[ \t]+(?=\r*\n)")
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} [^\r\n]*\r*\n", re.MULTILINE)
_UUENCODINGS = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})


def decode_transfer_encoding(content: bytes, encoding: str) -> bytes:
    """Return the decoded content. Content with an unknown encoding is returned unchanged."""
    return b"".join(iter_decoded_content(content, 0, len(content), encoding))


def iter_decoded_content(raw: bytes, start: int, end: int, encoding: str) -> Iterator[bytes]:
    """Yield the decoded content of `raw[start:end]`, in chunks."""
    if encoding == "base64":
        yield from _iter_base64(raw, start, end)
    elif encoding == "quoted-printable":
        yield from _iter_quoted_printable(raw, start, end)
    elif encoding in _UUENCODINGS:
        yield from _iter_uuencoded(raw, start, end)
    else:
        for position in range(start, end, _CHUNK_BYTES):
            yield raw[position : min(position + _CHUNK_BYTES, end)]


def _iter_base64(raw: bytes, start: int, end: int) -> Iterator[bytes]:
    """Yield the decoded bytes. Ignore characters outside the alphabet. Decode the text after the
    padding only if it is base64 too; other text was appended by a mailing list."""
    is_joined = False
    for _ in range(_MAX_SEGMENTS):
        padding = raw.find(b"=", start, end)
        yield from _iter_quads(raw, start, end if padding < 0 else padding)
        if padding < 0:
            return
        start = _PADDING.match(raw, padding, end).end()  # type: ignore[union-attr]
        is_joined = is_joined or _ONLY_BASE64.fullmatch(raw, start, end) is not None
        if not is_joined or start >= end:
            return


def _iter_quads(raw: bytes, start: int, end: int) -> Iterator[bytes]:
    pending = b""
    for position in range(start, end, _CHUNK_BYTES):
        pending += raw[position : min(position + _CHUNK_BYTES, end)].translate(None, _NO_BASE64)
        whole = len(pending) // 4 * 4
        yield binascii.a2b_base64(pending[:whole])
        pending = pending[whole:]
    if len(pending) > 1:  # one character alone has too few bits for a byte
        yield binascii.a2b_base64(pending + b"=" * (4 - len(pending)))


def _iter_quoted_printable(raw: bytes, start: int, end: int) -> Iterator[bytes]:
    """Yield the decoded bytes. Split the content only at line ends, so that no soft line break is
    cut. In content without line ends, do not split an escaped byte."""
    while start < end:
        stop = min(start + _CHUNK_BYTES, end)
        if stop < end:
            line_end = raw.rfind(b"\n", start, stop) + 1
            escape = raw.rfind(b"=", stop - 3, stop)
            stop = line_end or (escape if escape > start else stop)
        yield binascii.a2b_qp(_SOFT_BREAK.sub(b"=", raw[start:stop]))
        start = stop


def _iter_uuencoded(raw: bytes, start: int, end: int) -> Iterator[bytes]:
    begin = _UU_BEGIN.search(raw, start, end)
    position = begin.end() if begin else start
    lines, total = bytearray(), 0
    # The decoder fills up a short line with blanks. Without the limit on `total`, many short lines
    # would decode to more bytes than the mail has.
    while position < end and total < end - start:
        line_end = raw.find(b"\n", position, end)
        line = raw[position : end if line_end < 0 else line_end].rstrip(b"\r\n")
        if line in (b"end", b"`", b""):
            break
        lines += (decoded := _decode_uu_line(line))
        total += len(decoded) or 1
        if len(lines) > _CHUNK_BYTES:
            yield bytes(lines)
            lines.clear()
        position = end if line_end < 0 else line_end + 1
    yield bytes(lines)


def _decode_uu_line(line: bytes) -> bytes:
    """Return the decoded bytes of one uuencoded line; b"" if the line is not uuencoded."""
    count = (line[0] - 32) & 63
    try:
        return binascii.a2b_uu(line[: 1 + (count + 2) // 3 * 4])
    except binascii.Error:
        return b""
