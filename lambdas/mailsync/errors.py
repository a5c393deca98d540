"""Every failure with a name.

    MailsyncError
    ├── AccessRevoked          no access token until a person acts
    ├── AccountNotConnected    the account is paused or disconnected
    ├── AccountNotFound        there is no such account
    ├── CursorExpired          the provider no longer honours our cursor
    ├── FolderGone             the folder was deleted at the provider
    ├── LeaseLost              another execution owns the mailbox now
    ├── ProviderRejected       the provider calls our request wrong
    ├── ProviderThrottled      the provider asks us to wait
    ├── ProviderUnavailable    the provider does not answer as it should
    ├── SchemaOutdated         a migration is missing
    ├── SettingMissing         a setting is absent or malformed
    ├── StoreRejected          the database refuses a statement
    ├── StoreUnavailable       the database does not answer
    └── VerificationFailed     folders differ from the provider, or were not compared

Only leaves are raised. The Lambda runtime reports the bare class name, and Step Functions
matches nothing else, so each name here stands in a `Retry` or `Catch` of the workflow;
`tests/workflow` compares the two. Names have no `Error` suffix: they are read in the console
as conditions. A message says what, which one and what next; never a token, an address or mail.
"""


class MailsyncError(Exception):
    """Base of all; never raised itself and never matched by the workflow."""


class AccessRevoked(MailsyncError):
    """There is no access token to be had until a person acts; the account is closed.

    `is_final`: the identity platform says that the grant has ended, so only a new sign-in helps.
    An account that was closed for any other reason is tried again by the schedule.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class AccountNotConnected(MailsyncError):
    """The account exists but is paused, disconnected or waits for a new sign-in."""


class AccountNotFound(MailsyncError):
    """There is no account of that id."""


class CursorExpired(MailsyncError):
    """The provider no longer honours the cursor; the folder needs a full sync."""


class FolderGone(MailsyncError):
    """The folder does not exist at the provider any more."""


class LeaseLost(MailsyncError):
    """Another execution holds the mailbox; whatever this one was about to write is refused."""


class ProviderRejected(MailsyncError):
    """The provider refuses the request for good; sending it again would not help."""


class ProviderThrottled(MailsyncError):
    """The provider asks us to send less; `retry_after_s` is its own figure, if it gave one."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ProviderUnavailable(MailsyncError):
    """The provider failed or could not be reached; nothing happened, ask again later."""


class SchemaOutdated(MailsyncError):
    """The database lacks a migration that this code needs."""


class SettingMissing(MailsyncError):
    """A setting is missing or malformed; the message names it."""


class StoreRejected(MailsyncError):
    """The database refuses a statement for good; its own words are dropped, they may quote mail.

    `blames_values`: it would take the statement with other values.
    """

    def __init__(self, message: str, *, blames_values: bool = False) -> None:
        super().__init__(message)
        self.blames_values = blames_values


class StoreUnavailable(MailsyncError):
    """The database refused or lost the connection; the transaction did not happen."""


class VerificationFailed(MailsyncError):
    """The run ended without the verification of every folder, and is stored as failed."""


def leaves() -> frozenset[str]:
    """The names that may leave a function."""
    return frozenset(each.__name__ for each in MailsyncError.__subclasses__())
