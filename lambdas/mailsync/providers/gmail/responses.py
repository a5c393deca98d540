"""Parse HTTP responses of the Gmail API, also malformed ones.

Unless its docstring says otherwise, a function that reads a value raises `MalformedResponse` if the
value is missing or does not have the documented form.
"""

import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any

import orjson

from mailsync.model import MAX_REMOTE_ID_BYTES, RemoteId
from mailsync.providers.gmail.errors import MISSING_RESPONSE_STATUS, GmailResponse
from mailsync.retry_after import parse_retry_after_s

_MAX_NUMBER = 2**64
_CHUNK_CHARS = 2**20  # divisible by 4: a large message is decoded without copies of all of it
_MIN_LARGE_BYTES = 2**20
_RAW = re.compile(rb'"raw"[ \t\r\n]*:[ \t\r\n]*"([A-Za-z0-9_=-]*)"')
_PADDING = ord("=")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class MalformedResponse(Exception):
    """Error: a response of the Gmail API does not have the documented form. The text names the
    field. Callers translate it into ProviderUnavailable."""


def to_gmail_response(status: int, headers: Mapping[str, str], content: bytearray) -> GmailResponse:
    """Return an HTTP response as a GmailResponse. If the HTTP status is 200 and the body is not a
    JSON object, the result has MISSING_RESPONSE_STATUS."""
    parse = _parse_large if len(content) >= _MIN_LARGE_BYTES else _parse
    body, now = parse(content), _parse_date(headers.get("Date"))
    if status == 200 and body is None:
        return GmailResponse(MISSING_RESPONSE_STATUS, responded_at=now)
    pause_s = parse_retry_after_s(headers.get("Retry-After"), now=now)
    return GmailResponse(status, body or {}, now, pause_s)


def read_text(item: Mapping[str, Any], name: str) -> str:
    """Return the text of a field, which must not be empty."""
    found = item.get(name)
    if not isinstance(found, str) or not found:
        raise MalformedResponse(name)
    return found


def read_id(item: Mapping[str, Any], name: str = "id") -> RemoteId:
    """Return the id of a message, thread or label.

    name: name of the field that contains the id.
    """
    found = read_text(item, name)
    if len(found.encode("utf-8", "surrogatepass")) > MAX_REMOTE_ID_BYTES or not found.isprintable():
        raise MalformedResponse(name)
    return RemoteId(found)


def read_number_sent_as_text(item: Mapping[str, Any], name: str) -> int:
    """Return an unsigned number of 64 bits, which the API sends as text."""
    found = item.get(name)
    if not isinstance(found, str) or not found.isascii() or not found.isdigit():
        raise MalformedResponse(name)
    if (number := int(found[:21])) >= _MAX_NUMBER:
        raise MalformedResponse(name)
    return number


def read_count(item: Mapping[str, Any], name: str) -> int | None:
    """Return a count. Return None if the response has no valid count."""
    found = item.get(name)
    return found if isinstance(found, int) and found >= 0 else None


def read_object_list(item: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return a list of JSON objects. Return an empty list if the field is missing, because the API
    leaves out empty lists."""
    found = item.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise MalformedResponse(name)
    return found


def read_label_ids(item: Mapping[str, Any]) -> tuple[RemoteId, ...]:
    """Return the label ids of a message, each once. Return () if the message has no list of
    labels."""
    found = item.get("labelIds", [])
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise MalformedResponse("labelIds")
    return tuple(dict.fromkeys(map(RemoteId, found)))


def decode_base64url(item: Mapping[str, Any], name: str) -> bytes:
    """Return the bytes of a field in base64url, with or without padding."""
    found = item.get(name)
    if isinstance(found, str) and found.isascii():
        found = memoryview(found.encode())
    if not isinstance(found, memoryview):
        raise MalformedResponse(name)
    end = len(found)
    while end and found[end - 1] == _PADDING:
        end -= 1
    decoded = BytesIO()
    try:
        for start in range(0, end, _CHUNK_CHARS):
            text = bytes(found[start : min(start + _CHUNK_CHARS, end)]).translate(_URL_SAFE)
            padding = b"=" * (-len(text) % 4)
            decoded.write(binascii.a2b_base64(text + padding, strict_mode=True))
    except binascii.Error:
        raise MalformedResponse(name) from None
    return decoded.getvalue()


def read_page_token(item: Mapping[str, Any], sent: str | None) -> str | None:
    """Return the token of the next page. Return None if this page is the last one.

    sent: token with which this page was requested. If Gmail returns the same token again, the list
        would never end, so MalformedResponse is raised. None: the first page was requested.
    """
    found = item.get("nextPageToken")
    if found is None or found == "":
        return None
    if not isinstance(found, str) or found == sent:
        raise MalformedResponse("nextPageToken")
    return found


def _parse_large(content: bytearray) -> dict[str, Any] | None:
    """Parse the JSON object without a copy of its value `raw`. In the result, `raw` is a view of
    the bytes in `content`, so the text of a large message is in memory once. None: see `_parse`."""
    found = _RAW.search(content)
    if found is None:
        return _parse(content)
    start, end = found.span(1)
    parsed = _parse(content[:start] + content[end:])
    if parsed is None or parsed.get("raw") != "":  # what was cut out is in another object
        return _parse(content)
    return {**parsed, "raw": memoryview(content)[start:end]}


def _parse(content: bytearray) -> dict[str, Any] | None:
    """Return the JSON object. None: the content is not a JSON object. Mail may contain an escaped
    half of a surrogate pair, which orjson rejects and `json` accepts."""
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            parsed = json.loads(content)
        except (ValueError, RecursionError):
            return None
    return parsed if isinstance(parsed, dict) else None


def _parse_date(header: str | None) -> datetime:
    """Return the time of the response; the present time if the header is missing or malformed."""
    try:
        found = parsedate_to_datetime(header or "")
        return found.replace(tzinfo=found.tzinfo or UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return datetime.now(UTC)
