"""Make Graph's error responses, and convert errors of the simulated mailbox to them.

Source: Microsoft Graph docs, errors and throttling.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from localdev.simulators.folders import FolderNotFound
from localdev.simulators.mailbox import MessageNotFound


class GraphError(Exception):
    """The response to a request is an error 4xx or 5xx; `code` and `message` are Graph's."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


def bad_request_error(message: str, code: str = "BadRequest") -> GraphError:
    return GraphError(400, code, message)


def throttled_error(retry_after_s: float | None, limit: str = "MailboxConcurrency") -> GraphError:
    message = f"Application is over its {limit} limit."
    return GraphError(429, "ApplicationThrottled", message, retry_after_header(retry_after_s))


def retry_after_header(seconds: float | None) -> dict[str, str]:
    """Return the header `Retry-After`, with fractions as the service sends them; empty for None."""
    if seconds is None:
        return {}
    return {"Retry-After": str(int(seconds) if seconds == math.floor(seconds) else seconds)}


def error_envelope(code: str, message: str, ids: Mapping[str, str]) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"error": {"code": code, "message": message, "innerError": {"date": now, **ids}}}


def not_found_error(failure: FolderNotFound | MessageNotFound) -> GraphError:
    # Real ids are over a hundred characters of base64; what cannot be one is malformed.
    wanted = str(failure)
    if not all(character.isalnum() or character in "-_=" for character in wanted):
        return bad_request_error("Id is malformed.", "ErrorInvalidIdMalformed")
    message = "The specified object was not found in the store."
    return GraphError(404, "ErrorItemNotFound", message)
