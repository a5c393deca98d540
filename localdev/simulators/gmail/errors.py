"""Make Google's error responses.

Source: Gmail API documentation, "Resolve errors"; captures of
    allodia-eu/email-calendar-sync-engine.
"""

from collections.abc import Mapping
from typing import Any

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_USAGE_LIMITS = ("rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded")


class GmailError(Exception):
    """Raised by a handler to send Google's error response, with a status 4xx or 5xx.

    code: HTTP status of the response.
    reason: value of `reason` in the response, such as `notFound`.
    status: value of `error.status` in the response. None: the usual value for the HTTP status.
    details: entries of `error.details` in the response.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        status: str | None = None,
        details: tuple[Mapping[str, Any], ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.status = status or _STATUS.get(code)
        self.details = details
        self.headers = dict(headers or {})

    def to_json(self) -> dict[str, Any]:
        domain = "usageLimits" if self.reason in _USAGE_LIMITS else "global"
        entry = {"message": self.message, "domain": domain, "reason": self.reason}
        if self.code == 401:
            entry |= {"location": "Authorization", "locationType": "header"}
        error: dict[str, Any] = {"code": self.code, "message": self.message, "errors": [entry]}
        if self.status:
            error["status"] = self.status
        if self.details:
            error["details"] = list(self.details)
        return {"error": error}


def not_found_error() -> GmailError:
    return GmailError(404, "notFound", "Requested entity was not found.")


def invalid_argument_error(message: str) -> GmailError:
    return GmailError(400, "invalidArgument", message)


def build_error_info_detail(reason: str, **metadata: str) -> dict[str, Any]:
    """Return an entry of `error.details` of Google's type ErrorInfo."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": metadata,
    }
