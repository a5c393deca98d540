"""What a to_error of Microsoft Graph means to the product: the one table.

Sources: Microsoft Graph docs, "Error responses and resource types", "Throttling guidance" and
"Use delta query to track changes"; the codes that those do not list were reported in
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


class Target(Enum):
    """What a request named, which decides what a to_error is about."""

    MAILBOX = "the mailbox"
    CURSOR = "a stored link of a folder"


NO_RESPONSE = 0
"""The status of an answer that did not arrive, or not whole."""
TOO_LARGE = -1
"""The status of an answer that was not read to its end, since it grew too large to be held."""


@dataclass(frozen=True, slots=True)
class GraphResponse:
    """The answer to a request or to one item of a batch; `body` is empty if it was not JSON."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after_s: float | None = None

    @property
    def ok(self) -> bool:
        return self.status == 200

    @property
    def throttled(self) -> bool:
        return self.status in (429, 509) or (self.status == 503 and self.retry_after_s is not None)

    @property
    def is_crowded(self) -> bool:
        """Whether too many requests were in flight at once, whoever sent the others."""
        error = self.body.get("error")
        message = error.get("message") if isinstance(error, Mapping) else None
        return self.status == 429 and "concurrency" in str(message).lower()

    @property
    def is_transient(self) -> bool:
        """Whether the same request may well succeed in a moment."""
        failed = self.status >= 500 or self.status == NO_RESPONSE
        return self.throttled or (failed and self.code not in UNREADABLE)

    @property
    def may_be_its_message(self) -> bool:
        """Whether the failure of an answer that is one message may concern this message alone."""
        return self.status == TOO_LARGE or (self.is_transient and not self.throttled)

    @property
    def code(self) -> str:
        """The error's code, empty when there is none."""
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

QUOTA_EXCEEDED = "ErrorQuotaExceeded"
"""The mailbox is full, so Exchange cannot keep the state of a chain of changes in it."""

_SENTENCES = {
    "MailboxNotEnabledForRESTAPI": "the mailbox is inactive, deleted or not in Exchange Online",
    QUOTA_EXCEEDED: "the mailbox is full; free some space in it",
    "ErrorAccessDenied": "the app may not read this; grant it Mail.Read",
    "ErrorInvalidUser": "the mailbox does not exist",
}

UNREADABLE = {
    "ErrorCorruptData": "corrupt",
    "ErrorInvalidRecipients": "invalid_recipients",
    "ErrorCannotOpenFileAttachment": "attachment_unreadable",
}
"""Codes that concern one message only, each with its stable cause."""

_GONE = frozenset(
    {
        (404, "ErrorItemNotFound"),
        (404, "ErrorFolderNotFound"),
        # An id of another mailbox, or of this one before it was made anew.
        (404, "ErrorInvalidMailboxItemId"),
        (400, "ErrorInvalidIdMalformed"),
    }
)


def is_gone(answer: GraphResponse) -> bool:
    """Whether Graph says of a known id that nothing has it.

    Other 404s are outages: in one of 2018 each folder's messages were answered with
    `ResourceNotFound`.
    """
    return (answer.status, answer.code) in _GONE


def to_error(answer: GraphResponse, target: Target) -> MailsyncError:
    """The failure that an answer other than 200 stands for."""
    said = f"Microsoft Graph answered {answer.status} {answer.code or 'without a code'}"
    if answer.status == NO_RESPONSE:
        said = "Microsoft Graph sent no whole answer"
    elif answer.status == TOO_LARGE:
        said = "Microsoft Graph sent more at once than can be held in memory"
    if answer.throttled:
        return ProviderThrottled(f"{said}: too many requests.", retry_after_s=answer.retry_after_s)
    if _is_expired(answer, target):
        return CursorExpired(f"{said} to a stored link; the folder needs a full sync.")
    if answer.status == 401:
        # Only the identity platform decides about a grant: on 15 March 2021 Graph refused good
        # tokens of everybody for hours ("Signing key is invalid").
        return ProviderUnavailable(
            f"{said} to a valid access token, as in an outage; trying again."
        )
    if answer.status >= 500 or answer.status < 400 or answer.status == 408:
        return ProviderUnavailable(f"{said}; trying again.")
    if answer.status == 404 and answer.code not in _SENTENCES:
        return _not_found(said, answer)
    sentence = _SENTENCES.get(answer.code, "the request will not be understood later either")
    return ProviderRejected(f"{said}: {sentence}.")


def _is_expired(answer: GraphResponse, target: Target) -> bool:
    """A stored link is the whole request, so nothing else can be malformed when it is refused.

    A new full sync finds another way into a mailbox that is full.
    """
    if answer.code.lower() in _EXPIRED or answer.status == 410:
        return True
    refused = answer.status == 400 or answer.code == QUOTA_EXCEEDED
    return target is Target.CURSOR and refused


def _not_found(said: str, answer: GraphResponse) -> MailsyncError:
    if not answer.code:
        return ProviderUnavailable(f"{said}, as a proxy would; trying again.")
    return ProviderRejected(f"{said}: there is no such thing in the mailbox.")
