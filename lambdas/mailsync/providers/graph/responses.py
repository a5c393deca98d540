"""Parse HTTP responses of Microsoft Graph into status, JSON object and requested pause. Only
`parse_object_list` raises an error for malformed content."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from mailsync.errors import ProviderUnavailable
from mailsync.providers.graph.errors import MISSING_RESPONSE_STATUS, GraphResponse
from mailsync.retry_after import parse_retry_after_s


def to_graph_response(status: int, headers: Mapping[str, str], content: bytearray) -> GraphResponse:
    """Return an HTTP response as a GraphResponse. If the HTTP status is 200 and the body is not a
    JSON object, the result has MISSING_RESPONSE_STATUS."""
    body = _parse(content)
    if status == 200 and body is None:
        return GraphResponse(MISSING_RESPONSE_STATUS)
    return GraphResponse(status, body or {}, parse_retry_after_s(headers.get("Retry-After")))


def parse_batch_item(item: Mapping[str, Any]) -> GraphResponse:
    """Return the response to one item of a batch as a GraphResponse."""
    status, body, headers = item.get("status"), item.get("body"), item.get("headers")
    named = headers if isinstance(headers, dict) else {}
    retry_after = {name.lower(): str(value) for name, value in named.items()}.get("retry-after")
    if not isinstance(status, int) or (status == 200 and not isinstance(body, dict)):
        status = MISSING_RESPONSE_STATUS
    return GraphResponse(
        status, body if isinstance(body, dict) else {}, parse_retry_after_s(retry_after)
    )


def parse_object_list(response: GraphResponse, name: str) -> list[Mapping[str, Any]]:
    """Return the list of JSON objects that a response has under this name.

    Raises:
        ProviderUnavailable: the response has no such list.
    """
    found = response.body.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ProviderUnavailable(f"Microsoft Graph left out '{name}'; trying again.")
    return found


def _parse(content: bytearray) -> dict[str, Any] | None:
    """Return the JSON object, or None if the content is not a JSON object.

    Mail may contain half a surrogate pair as a JSON escape, which orjson rejects and json accepts.
    """
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            parsed = json.loads(content)
        except (ValueError, RecursionError):
            return None
    return parsed if isinstance(parsed, dict) else None
