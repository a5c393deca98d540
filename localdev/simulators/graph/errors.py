"""Make Graph's error responses, and convert errors of the simulated mailbox to them.

Source: Microsoft Graph docs, errors and throttling.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from localdev.simulators.folders import FolderNotFound
from localdev.simulators.graph.ids import OutlookIds, is_well_formed_id
from localdev.simulators.graph.well_known import WELL_KNOWN_FOLDER_NAMES
from localdev.simulators.mailbox import MessageNotFound


class GraphError(Exception):
    """Raised by a handler to send Graph's error response, with a status 4xx or 5xx.

    code, message: code and message of the error in the response.
    """

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
    """Return the header `Retry-After`, with a fraction if `seconds` has one. Return an empty
    dictionary if `seconds` is None."""
    if seconds is None:
        return {}
    return {"Retry-After": str(int(seconds) if seconds == math.floor(seconds) else seconds)}


def error_envelope(code: str, message: str, ids: Mapping[str, str]) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"error": {"code": code, "message": message, "innerError": {"date": now, **ids}}}


def not_found_error(failure: FolderNotFound | MessageNotFound, ids: OutlookIds) -> GraphError:
    """Return Graph's error for an id or well-known name that the mailbox does not have.

    The error is ErrorItemNotFound for an object that was deleted, ErrorInvalidMailboxItemId for an
    id of another mailbox, and ErrorInvalidIdMalformed for a text that is no id.
    """
    wanted = str(failure)
    if (
        ids.is_id_of_this_mailbox(wanted)
        or wanted.isdecimal()
        or wanted.lower() in WELL_KNOWN_FOLDER_NAMES
    ):
        message = "The specified object was not found in the store."
        return GraphError(404, "ErrorItemNotFound", message)
    if is_well_formed_id(wanted):
        message = "Item Id doesn't belong to the current mailbox."
        return GraphError(404, "ErrorInvalidMailboxItemId", message)
    return bad_request_error("Id is malformed.", "ErrorInvalidIdMalformed")
