"""Read and decompress the body of an HTTP response, up to a size limit.

A megabyte of gzip can contain a gigabyte. HTTP libraries decompress everything that one read of the
connection returned, so 64 KB become 64 MB before the size can be checked. This module uses zlib
directly, which stops at a requested size.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

ACCEPT_ENCODING = "gzip"
"""The only content encoding that is accepted besides an unencoded body. Doubly compressed bodies
are rejected."""
MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL = 4 * 2**20
"""The size limit of responses that contain no mail, such as tokens, keys, users and subscriptions.
Parsed, JSON takes up to 33 times its size (a list of small objects), and the Lambda functions that
read these responses have 512 MB."""
_CHUNK_BYTES = 64 * 2**10
_GZIP = 16 + zlib.MAX_WBITS


class UnreadableBody(Exception):
    """Error: the body of an HTTP response has another encoding than requested, or is damaged."""


def read_body_or_none_if_too_large(
    raw: Iterable[bytes],
    encoding: str | None,
    limit_bytes: int,
    *,
    hold: Callable[[int], object] = lambda _: None,
) -> bytearray | None:
    """Read and decompress the body of an HTTP response.

    Returns None as soon as the decompressed body exceeds `limit_bytes`, without reading the rest.

    raw: the body in chunks, as received.
    encoding: value of the header Content-Encoding. None: no header.
    hold: called with the size in bytes of each decompressed chunk before the chunk is kept. An
        exception that `hold` raises ends the reading.

    Raises:
        UnreadableBody: the body cannot be decompressed.
    """
    body = bytearray()
    for chunk in _unpacked(raw, (encoding or "").strip().lower()):
        if len(body) + len(chunk) > limit_bytes:
            return None
        hold(len(chunk))
        body += chunk
    return body


def _unpacked(raw: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in ("", "identity"):
        yield from raw
    elif encoding == ACCEPT_ENCODING:
        yield from _gunzipped(raw)
    else:
        raise UnreadableBody("The Content-Encoding is not one that the request accepts.")


def _gunzipped(raw: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks of at most `_CHUNK_BYTES`; a body may have several members (RFC 1952, 2.2)."""
    member, is_empty = zlib.decompressobj(_GZIP), True
    for each in raw:
        packed, is_empty = each, is_empty and not each
        while packed:
            if member.eof:
                member = zlib.decompressobj(_GZIP)
            yield _inflated(member, packed)
            packed = member.unused_data if member.eof else member.unconsumed_tail
    while not member.eof and (chunk := _inflated(member, b"")):
        yield chunk
    if not member.eof and not is_empty:
        raise UnreadableBody("The body ends in the middle.")


def _inflated(member: Any, packed: bytes) -> bytes:
    try:
        return bytes(member.decompress(packed, _CHUNK_BYTES))
    except zlib.error:
        raise UnreadableBody("The body is no gzip.") from None
