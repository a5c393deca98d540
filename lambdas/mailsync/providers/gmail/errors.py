"""Interpret the responses of the Gmail API, and translate them into the product's errors. No other
module interprets the API's reasons and messages.

Gmail responds to requests beyond a quota with 429 or with 403. Only the reason tells such a 403
from a missing permission. Gmail names the time of the next attempt in the error's text ("Retry
after ...Z") or in its details, never in a header (Gmail API documentation, "Resolve errors";
recorded responses in the GitHub repository allodia-eu/email-calendar-sync-engine).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mailsync.errors import (
    AccessRevoked,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)

MISSING_RESPONSE_STATUS = 0
"""The status that stands for a response that did not arrive completely, or not in the documented
form."""
TOO_LARGE_RESPONSE_STATUS = -1
"""The status that stands for a response that exceeds the memory limit and was not read to its end.
"""
UNSENT_REQUEST_STATUS = -2
"""The status that stands for a request that was not sent, because an earlier request was refused
for a reason that concerns the whole mailbox."""

MAX_REQUESTED_PAUSE_S = 86_400.0
"""The longest pause in seconds that is accepted from an error's text. The bandwidth limits of Gmail
are daily."""
CONCURRENCY_LIMIT_PAUSE_S = 2.0
QUOTA_PAUSE_S = 30.0
"""The pause after a refusal that names no time. Quotas are per minute, and on average half of the
present minute is left."""
DAILY_QUOTA_PAUSE_S = 3600.0
_WINDOW_S = 60.0
_MAX_MESSAGE_CHARS = 2_000

_THROTTLE_REASONS = frozenset(
    {
        "ratelimitexceeded",
        "userratelimitexceeded",
        "quotaexceeded",
        "dailylimitexceeded",
        "rate_limit_exceeded",
        "resource_exhausted",
    }
)
_RETRY_AFTER = re.compile(
    r"retry after (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE
)
_LIMIT_OF_PROJECT = re.compile(r"limit '(?![^']*\buser\b)[^']*'", re.IGNORECASE)
_REASON = re.compile(r"[A-Za-z0-9_.]{1,80}")

_SCOPE_REASONS = frozenset({"insufficientpermissions", "access_token_scope_insufficient"})
_SENTENCES = {
    "accessnotconfigured": (
        "the Gmail API is not enabled in the Google Cloud project of this application. The"
        " operator enables it in the Cloud console"
    ),
    "service_disabled": (
        "the Gmail API is not enabled in the Google Cloud project of this application. The"
        " operator enables it in the Cloud console"
    ),
    "domainpolicy": (
        "the organisation of the mailbox does not allow this application. Its administrator"
        " allows it in the Admin console"
    ),
}
_SENTENCE_BY_TEXT = {
    "delegation denied": (
        "the access token belongs to another mailbox. A delegated mailbox is connected with a"
        " sign-in of its own"
    ),
    "mail service not enabled": "the account has no Gmail mailbox",
}


@dataclass(frozen=True, slots=True)
class GmailResponse:
    """The response of the Gmail API to one request.

    status: HTTP status, or MISSING_RESPONSE_STATUS, TOO_LARGE_RESPONSE_STATUS or
        UNSENT_REQUEST_STATUS.
    body: the JSON object of the response. Empty: the response is not JSON.
    responded_at: time of the response, from the header Date; the Lambda function's clock if the
        header is missing.
    retry_after_s: seconds of the `Retry-After` header, which a proxy may add. None: no header.
    """

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    responded_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    retry_after_s: float | None = None

    @property
    def has_status_200(self) -> bool:
        return self.status == 200

    @property
    def is_throttled(self) -> bool:
        """Return whether Gmail refused the request because a quota is used up or too many requests
        were in flight."""
        if self.status == 403:
            text = self._message
            return bool(_THROTTLE_REASONS & self._reasons) or text.startswith("quota exceeded")
        return self.status == 429

    @property
    def is_concurrency_limit_exceeded(self) -> bool:
        """Return whether Gmail refused the request because too many requests to the mailbox, also
        of other applications, were in flight."""
        return self.is_throttled and "concurrent requests" in self._message

    @property
    def is_project_quota_exceeded(self) -> bool:
        """Return whether the used-up quota is the project's, which all mailboxes share. False: the
        mailbox's."""
        units = {str(each.get("quota_unit")) for each in self._metadata if "quota_unit" in each}
        if units:
            return not any("{user}" in each for each in units)
        return "dailylimitexceeded" in self._reasons or bool(
            _LIMIT_OF_PROJECT.search(self._message)
        )

    @property
    def pause_s(self) -> float:
        """Return the seconds after which a throttled request may succeed."""
        if (until := self._retry_time()) is not None:
            return min(max((until - self.responded_at).total_seconds(), 1.0), MAX_REQUESTED_PAUSE_S)
        if self.retry_after_s is not None:
            return self.retry_after_s
        if self.is_concurrency_limit_exceeded:
            return CONCURRENCY_LIMIT_PAUSE_S
        if "dailylimitexceeded" in self._reasons:
            return DAILY_QUOTA_PAUSE_S
        for each in self._metadata:
            start = str(each.get("window_start_time", ""))
            if start.isascii() and start.isdigit():
                left_s = float(start[:15]) + _WINDOW_S - self.responded_at.timestamp()
                return min(max(left_s, 1.0), 2 * _WINDOW_S)
        return QUOTA_PAUSE_S

    @property
    def is_retryable(self) -> bool:
        """Return whether the same request may succeed if it is sent again soon."""
        if self.status == 400:
            return "precondition check failed" in self._message
        is_unanswered = self.status in (MISSING_RESPONSE_STATUS, UNSENT_REQUEST_STATUS, 408)
        return self.is_throttled or is_unanswered or self.status >= 500

    @property
    def is_not_found(self) -> bool:
        """Return whether the Gmail API reports that the requested object does not exist. Return
        False if the status 404 comes from a proxy: then the response has no error object of the
        API."""
        return self.status == 404 and "code" in self._error

    @property
    def is_invalid_argument(self) -> bool:
        """Return whether the API rejects a value in the request, such as an old page token."""
        return self.status == 400 and "code" in self._error and not self.is_retryable

    @property
    def is_refusal_of_whole_mailbox(self) -> bool:
        """Return whether the API refuses all requests to this mailbox for the same reason, such as
        a used-up quota or a missing permission."""
        return (
            self.is_throttled
            or self.status == 401
            or bool((_SCOPE_REASONS | _SENTENCES.keys()) & self._reasons)
            or self._sentence_of_text is not None
        )

    @property
    def error_reason(self) -> str:
        """Return the API's short name of the error, such as `notFound`. Return "" if the response
        names none."""
        return next(self._raw_reasons(), "")

    @property
    def rejection_explanation(self) -> str | None:
        """Return a sentence for people that explains why the API rejects the mailbox. Return None
        if the reason is unknown."""
        found = (_SENTENCES[each] for each in sorted(self._reasons) if each in _SENTENCES)
        return next(found, None) or self._sentence_of_text

    @property
    def is_scope_missing(self) -> bool:
        """Return whether the API refused the request because the permission to read mail was not
        granted."""
        return bool(_SCOPE_REASONS & self._reasons)

    @property
    def _sentence_of_text(self) -> str | None:
        if self.status not in (400, 403):
            return None
        text = self._message
        return next((it for words, it in _SENTENCE_BY_TEXT.items() if words in text), None)

    @property
    def _error(self) -> Mapping[str, Any]:
        error = self.body.get("error")
        return error if isinstance(error, dict) else {}

    @property
    def _message(self) -> str:
        return str(self._error.get("message") or "")[:_MAX_MESSAGE_CHARS].lower()

    @property
    def _reasons(self) -> frozenset[str]:
        return frozenset(each.lower() for each in self._raw_reasons())

    def _raw_reasons(self) -> Iterator[str]:
        named = [each.get("reason") for each in _objects(self._error, "errors")]
        named += [each.get("reason") for each in _objects(self._error, "details")]
        for each in (*named, self._error.get("status")):
            if isinstance(each, str) and _REASON.fullmatch(each):
                yield each

    @property
    def _metadata(self) -> Iterator[Mapping[str, Any]]:
        for each in _objects(self._error, "details"):
            found = each.get("metadata")
            if isinstance(found, dict):
                yield found

    def _retry_time(self) -> datetime | None:
        found = _RETRY_AFTER.search(self._message)
        try:
            return datetime.fromisoformat(f"{found[1]}{found[2].upper()}") if found else None
        except ValueError:
            return None


def to_mailsync_error(response: GmailResponse) -> MailsyncError:
    """Return the product's error for a failed response of the Gmail API."""
    said = f"The Gmail API returned {response.status} {response.error_reason or 'without a reason'}"
    if response.is_throttled:
        limit = "of all mailboxes" if response.is_project_quota_exceeded else "of this mailbox"
        return ProviderThrottled(
            f"{said}: a quota {limit} is used up; the sync goes on when it is free again.",
            retry_after_s=response.pause_s,
        )
    if response.is_scope_missing:
        return AccessRevoked(
            f"{said}: the permission to read mail was not granted at the sign-in. The mail stays"
            " readable; connect the mailbox again and leave the box for Gmail ticked.",
            is_final=True,
        )
    if sentence := response.rejection_explanation:
        return ProviderRejected(f"{said}: {sentence}. The mail stays readable.")
    if cause := _cause_of_outage(response, said):
        return ProviderUnavailable(f"{cause}; trying again.")
    return ProviderRejected(
        f"{said}: a repetition would not help. The mail stays readable; report this error."
    )


def _cause_of_outage(response: GmailResponse, said: str) -> str | None:
    """Return a description of the failure if the same request may succeed later. None: the API
    rejects the request."""
    if response.status == TOO_LARGE_RESPONSE_STATUS:
        return "The Gmail API sent more at once than fits into memory"
    if response.status in (MISSING_RESPONSE_STATUS, UNSENT_REQUEST_STATUS):
        return "The Gmail API sent no complete response"
    if response.status == 401:
        # A 401 does not prove that the grant ended: in an outage the API rejects valid tokens.
        return f"{said} to a valid access token, as in an outage"
    return said if response.is_retryable or _is_foreign(response) else None


def _is_foreign(response: GmailResponse) -> bool:
    """Return whether a failed response does not have the form of the API's errors, because a proxy,
    for example, has sent it instead of the Gmail API."""
    return response.status < 400 or "error" not in response.body


def _objects(error: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    found = error.get(name)
    for each in found if isinstance(found, list) else ():
        if isinstance(each, dict):
            yield each
