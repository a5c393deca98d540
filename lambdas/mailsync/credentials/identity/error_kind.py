"""Define what an error of an identity platform means for a mailbox."""

from enum import Enum


class ErrorKind(Enum):
    """What an error of the identity platform means for the mailbox."""

    THROTTLED = "retried after a pause"
    OUTAGE = "retried later"
    GRANT_ENDED = "the grant has ended: the account is closed until the user signs in"
    VALID_GRANT_BLOCKED = "the grant is valid but blocked: the account is closed and retried"
    FAULTY_APP_REGISTRATION = "the app registration is wrong, not the mailbox"


ErrorKindAndAdvice = tuple[ErrorKind, str]
"""The kind of an error, and the advice for the user or the operator, as part of a sentence."""
