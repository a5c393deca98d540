"""Read the body of an HTTP response, unpacked, and no further than a limit.

A megabyte of gzip may hold a gigabyte. HTTP libraries unpack whatever a read from the connection
brings, so one read of 64 KB becomes 64 MB before anybody can count it; zlib stops where it is told.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

ACCEPT_ENCODING = "gzip"
"""What requests ask for. Nothing else is unpacked, nor anything packed twice."""
SMALL_BODY_BYTES = 4 * 2**20
"""A limit for everything that is no mail: tokens, keys, users, subscriptions. Parsed, JSON takes up
to 33 times its size (a list of small objects), and the functions that read these have 512 MB."""
_CHUNK_BYTES = 64 * 2**10
_GZIP = 16 + zlib.MAX_WBITS


class UnreadableBody(Exception):
    """The body is packed in a way that was not asked for, or is broken."""


def read_body(
    raw: Iterable[bytes],
    encoding: str | None,
    limit_bytes: int,
    *,
    hold: Callable[[int], object] = lambda _: None,
) -> bytearray | None:
    """Return the unpacked body; None as soon as it exceeds the limit, the rest is not read.

    `raw` are its pieces as they come from the connection, `encoding` is its Content-Encoding.
    `hold` is called before so many more bytes are held; what it raises ends the reading.

    Raises:
        UnreadableBody: what is packed cannot be unpacked.
    """
    body = bytearray()
    for piece in _unpacked(raw, (encoding or "").strip().lower()):
        if len(body) + len(piece) > limit_bytes:
            return None
        hold(len(piece))
        body += piece
    return body


def _unpacked(raw: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in ("", "identity"):
        yield from raw
    elif encoding == ACCEPT_ENCODING:
        yield from _gunzipped(raw)
    else:
        raise UnreadableBody("The Content-Encoding is not one that the request accepts.")


def _gunzipped(raw: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces of at most `_CHUNK_BYTES`; a body may be of several members (RFC 1952, 2.2)."""
    member, is_empty = zlib.decompressobj(_GZIP), True
    for each in raw:
        packed, is_empty = each, is_empty and not each
        while packed:
            if member.eof:
                member = zlib.decompressobj(_GZIP)
            yield _inflated(member, packed)
            packed = member.unused_data if member.eof else member.unconsumed_tail
    while not member.eof and (piece := _inflated(member, b"")):
        yield piece
    if not member.eof and not is_empty:
        raise UnreadableBody("The body ends in the middle.")


def _inflated(member: Any, packed: bytes) -> bytes:
    try:
        return bytes(member.decompress(packed, _CHUNK_BYTES))
    except zlib.error:
        raise UnreadableBody("The body is no gzip.") from None
