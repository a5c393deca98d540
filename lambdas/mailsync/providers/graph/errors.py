"""Translate responses of Microsoft Graph into the errors of `mailsync.errors`. No other module
interprets Graph's error codes.

Sources: Microsoft Graph docs, "Error responses and resource types", "Throttling guidance" and "Use
    delta query to track changes"; codes that these pages do not list were reported in
    microsoftgraph/microsoft-graph-docs #2877, #2162 and in the sources of public mail clients.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from mailsync.errors import (
    CursorExpired,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)


class RequestedResourceKind(Enum):
    """What a failed request named: something in the mailbox, such as a folder or a message, or a
    stored link to a page of a folder's feed. The meaning of an error depends on this."""

    IN_MAILBOX = "the mailbox"
    STORED_PAGE_LINK = "a stored link of a folder"


MISSING_RESPONSE_STATUS = 0
"""The status that stands for a response that did not arrive, or did not arrive completely."""
TOO_LARGE_RESPONSE_STATUS = -1
"""The status that stands for a response that exceeds the size limit of its request and was not read
to its end."""


@dataclass(frozen=True, slots=True)
class GraphResponse:
    """Graph's response to one request or to one item of a batch.

    status: HTTP status. MISSING_RESPONSE_STATUS: no complete response arrived.
        TOO_LARGE_RESPONSE_STATUS: the response exceeded its size limit and was dropped.
    body: the JSON object of the response. Empty: the response is not JSON.
    retry_after_s: seconds that the `Retry-After` header names. None: no header.
    """

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after_s: float | None = None

    @property
    def has_status_200(self) -> bool:
        return self.status == 200

    @property
    def is_throttled(self) -> bool:
        """Return whether Graph refused the request because of too many requests."""
        return self.status in (429, 509) or (self.status == 503 and self.retry_after_s is not None)

    @property
    def is_concurrency_limit_exceeded(self) -> bool:
        """Return whether Graph rejected the request because too many other requests to the mailbox
        were in flight."""
        error = self.body.get("error")
        message = error.get("message") if isinstance(error, Mapping) else None
        return self.status == 429 and "concurrency" in str(message).lower()

    @property
    def is_retryable(self) -> bool:
        """Return whether the same request may succeed if it is repeated soon."""
        failed = self.status >= 500 or self.status == MISSING_RESPONSE_STATUS
        return self.is_throttled or (
            failed and self.error_code not in QUARANTINE_CAUSE_BY_ERROR_CODE
        )

    @property
    def can_failure_be_caused_by_message(self) -> bool:
        """Return whether the requested message, and not the whole mailbox, may have caused the
        error."""
        return self.status == TOO_LARGE_RESPONSE_STATUS or (
            self.is_retryable and not self.is_throttled
        )

    @property
    def is_requested_object_missing(self) -> bool:
        """Return whether Graph reports that the requested object, which existed before, no longer
        exists.

        Only certain error codes report this. Other responses with status 404 are outages: during an
        outage in 2018 Graph responded `ResourceNotFound` to requests for the messages of every
        folder.
        """
        return (self.status, self.error_code) in _GONE

    @property
    def error_code(self) -> str:
        """Return Graph's error code. Return "" if the response has no error code."""
        error = self.body.get("error")
        code = error.get("code") if isinstance(error, Mapping) else None
        return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


_CODE = re.compile(r"[A-Za-z0-9_.]{1,80}")

_EXPIRED = frozenset(
    {
        "syncstatenotfound",
        "syncstateinvalid",
        "invalidsyncstatedata",
        "resyncrequired",
        "resyncapplydifferences",
        "resyncuploaddifferences",
    }
)

MAILBOX_FULL_ERROR_CODE = "ErrorQuotaExceeded"
"""Graph's error code for a full mailbox. Exchange cannot keep the state of a delta feed in a full
mailbox."""

_SENTENCES = {
    "MailboxNotEnabledForRESTAPI": "the mailbox is inactive, deleted or not in Exchange Online",
    MAILBOX_FULL_ERROR_CODE: "the mailbox is full; free some space in it",
    "ErrorAccessDenied": "the app may not read this; grant it Mail.Read",
    "ErrorInvalidUser": "the mailbox does not exist",
}

QUARANTINE_CAUSE_BY_ERROR_CODE = {
    "ErrorCorruptData": "corrupt",
    "ErrorInvalidRecipients": "invalid_recipients",
    "ErrorCannotOpenFileAttachment": "attachment_unreadable",
}
"""Cause for the quarantine, the list of messages that cannot be fetched or stored, by error code of
Graph. It contains each error code that concerns a single message and not the mailbox."""

_GONE = frozenset(
    {
        (404, "ErrorItemNotFound"),
        (404, "ErrorFolderNotFound"),
        # An id of another mailbox, or of this mailbox before it was deleted and created again.
        (404, "ErrorInvalidMailboxItemId"),
        (400, "ErrorInvalidIdMalformed"),
    }
)


def to_mailsync_error(response: GraphResponse, target: RequestedResourceKind) -> MailsyncError:
    """Return the error of `mailsync.errors` for a failed response of Graph.

    target: whether the request named the mailbox or a stored link.
    """
    said = f"Microsoft Graph answered {response.status} {response.error_code or 'without a code'}"
    if response.status == MISSING_RESPONSE_STATUS:
        said = "Microsoft Graph sent no whole response"
    elif response.status == TOO_LARGE_RESPONSE_STATUS:
        said = "Microsoft Graph sent more at once than can be held in memory"
    if response.is_throttled:
        return ProviderThrottled(
            f"{said}: too many requests.", retry_after_s=response.retry_after_s
        )
    if _is_expired(response, target):
        return CursorExpired(f"{said} to a stored link; the folder needs a full sync.")
    if response.status == 401:
        # Only the identity platform decides about a grant: on 15 March 2021 Graph refused valid
        # tokens of all users for hours ("Signing key is invalid").
        return ProviderUnavailable(
            f"{said} to a valid access token, as in an outage; trying again."
        )
    if response.status >= 500 or response.status < 400 or response.status == 408:
        return ProviderUnavailable(f"{said}; trying again.")
    if response.status == 404 and response.error_code not in _SENTENCES:
        return _not_found(said, response)
    sentence = _SENTENCES.get(
        response.error_code, "the request will not be understood later either"
    )
    return ProviderRejected(f"{said}: {sentence}.")


def _is_expired(response: GraphResponse, target: RequestedResourceKind) -> bool:
    """Return whether the response means that a stored link has expired.

    A request for a stored link consists of the link alone, so status 400 rejects the link. If
    Graph reports that the mailbox is full, the link counts as expired too: the full sync that
    follows reads plain lists.
    """
    if response.error_code.lower() in _EXPIRED or response.status == 410:
        return True
    refused = response.status == 400 or response.error_code == MAILBOX_FULL_ERROR_CODE
    return target is RequestedResourceKind.STORED_PAGE_LINK and refused


def _not_found(said: str, response: GraphResponse) -> MailsyncError:
    if not response.error_code:
        return ProviderUnavailable(f"{said}, as a proxy would; trying again.")
    return ProviderRejected(f"{said}: there is no such thing in the mailbox.")
