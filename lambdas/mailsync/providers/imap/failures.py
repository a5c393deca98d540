"""Find out why a mail server refuses a command or ends a connection, and whether it asks for a
pause."""

import re
from imaplib import IMAP4

MAX_REQUESTED_PAUSE_S = 3600.0
PAUSE_AFTER_AUTHENTICATED_NOT_CONNECTED_S = 300.0
"""The pause in seconds after Office 365 said "User is authenticated but not connected". This state
lasts for minutes, or until the mailbox changes (MailKit #1494)."""
_BACKOFF = re.compile(r"Backoff Time:? (\d{1,9})(?: ?(seconds))?", re.IGNORECASE)
_CONNECTION_LIMIT = (
    r"\[LIMIT\]|(?:too many|maximum number of) (?:\w+ )?(?:connections|sessions)|connection limit"
)
"""RFC 9051; Gmail: "Too many simultaneous connections. (Failure)"; Dovecot: "Maximum number of
connections from user+IP exceeded"."""
_PAUSE_TEXTS: tuple[tuple[str, float], ...] = (
    # Gmail's limits of bandwidth last for hours (home-assistant/core #155699).
    (r"\[OVERQUOTA\]|bandwidth limit", 1800.0),
    (_CONNECTION_LIMIT, 60.0),
    # Exchange Online also throttles without a time (imapsync, FAQ.Office365).
    (r"\[THROTTLED\]|throttled|rate limit|too many (?:requests|commands|login)", 60.0),
    # Yahoo: "UID FETCH Server error" (rustmailer/bichon #144); iCloud (mail-archiver #414).
    (r"\[UNAVAILABLE\]|temporar\w+ |try again later|server (?:is )?(?:error|busy)", 5.0),
    (r"\[INUSE\]", 5.0),
    (r"authenticated but not connected", PAUSE_AFTER_AUTHENTICATED_NOT_CONNECTED_S),
)
"""Patterns of the texts with which servers ask for a pause, each with the pause in seconds."""
_PAUSES = tuple((re.compile(text, re.IGNORECASE), pause_s) for text, pause_s in _PAUSE_TEXTS)


class TooManyConnectionsError(Exception):
    """The cause of a ProviderThrottled error: the server has too many connections to this
    mailbox."""


def connection_limit_error_from_text(text: str) -> TooManyConnectionsError | None:
    """Return the exception to attach as cause to a ProviderThrottled error if the text of the
    server's refusal says that too many connections are open. Return None for any other text."""
    return TooManyConnectionsError() if re.search(_CONNECTION_LIMIT, text, re.IGNORECASE) else None


def parse_requested_pause_s(text: str) -> float | None:
    """Return the seconds to wait after a refusal with this text. Return None if the text asks for
    no pause.

    Exchange Online names the time: "Request is throttled. Suggested Backoff Time: 500
    milliseconds".
    """
    if match := _BACKOFF.search(text):
        return min(MAX_REQUESTED_PAUSE_S, int(match[1]) / (1 if match[2] else 1000))
    return next((pause_s for pattern, pause_s in _PAUSES if pattern.search(text)), None)


def describe_connection_failure(failure: Exception, bye_text: str) -> str:
    """Return a phrase that says why a connection broke.

    bye_text: text with which the server ended the connection. Empty: the server sent no such text.
    """
    if bye_text:
        return f"it ended the connection: {bye_text[:100]}"
    if isinstance(failure, TimeoutError):
        return "it does not answer in time"
    return str(failure).rstrip(".") if isinstance(failure, IMAP4.abort) else type(failure).__name__
