"""Define the errors of the product.

    MailsyncError
    ├── AccessRevoked          the provider rejects access to the mailbox; see `is_final`
    ├── AccountNotConnected    the account cannot be synced, or has no credentials
    ├── AccountNotFound        no account has this id
    ├── CursorExpired          the provider rejects the cursor; the feed needs a full sync
    ├── FolderGone             the folder was deleted at the provider
    ├── LeaseLost              the run no longer holds the lease of the mailbox
    ├── ProviderRejected       the provider rejects the request for good
    ├── ProviderThrottled      the provider requests a pause
    ├── ProviderUnavailable    the provider failed or sent an unusable response
    ├── SchemaOutdated         the database lacks a migration
    ├── SettingMissing         a setting is absent or malformed
    ├── StoreRejected          the database rejects a statement for good
    ├── StoreUnavailable       the database, KMS or Step Functions does not respond
    └── VerificationFailed     the run ended although some folders were not verified

Only classes without subclasses are raised. The Lambda runtime reports the name of the class, and
Step Functions matches this name exactly. So each name stands in a `Retry` or `Catch` of the
workflow; `tests/workflow` compares the names in the workflow with these classes. The names have no
`Error` suffix, because the AWS console shows them as conditions. An error message says what
happened, to which object, and what to do. It contains no token, address or mail.
"""


class MailsyncError(Exception):
    """The base class of all errors of the product. It is never raised, and the workflow never
    matches it."""


class AccessRevoked(MailsyncError):
    """The provider rejects access to the mailbox, or stored credentials cannot be decrypted. The
    account is closed.

    is_final: whether only a new sign-in helps, because the grant has ended or the mail server
        refused the password. False: scheduled checks keep trying to get an access token.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class AccountNotConnected(MailsyncError):
    """The account is paused, disconnected or closed, it has no credentials, or this stage does not
    sync mailboxes of its provider."""


class AccountNotFound(MailsyncError):
    """There is no account with this id, or it belongs to another user."""


class CursorExpired(MailsyncError):
    """The provider rejects the stored cursor of a change feed, so the feed needs a full sync."""


class FolderGone(MailsyncError):
    """The folder no longer exists at the provider."""


class LeaseLost(MailsyncError):
    """The run no longer holds the lease of the mailbox, so the database rejected this write.
    Another execution or check has taken the lease, or the run was closed."""


class ProviderRejected(MailsyncError):
    """The provider rejects the request for good; a retry would not help."""


class ProviderThrottled(MailsyncError):
    """The provider or its identity platform requests a pause of the requests for the mailbox.

    retry_after_s: length of the pause that the provider requests, in seconds. None: the provider
        named no length.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ProviderUnavailable(MailsyncError):
    """The provider or its identity platform failed or could not be reached; retry later."""


class SchemaOutdated(MailsyncError):
    """The database lacks a migration that this code needs."""


class SettingMissing(MailsyncError):
    """A setting is missing or malformed. The message of the error names the setting."""


class StoreRejected(MailsyncError):
    """The database rejects a statement, and a retry would fail again.

    The error message does not contain the database's own message, which may quote mail.

    blames_values: whether the values cause the rejection, so that the statement would succeed with
        other values.
    """

    def __init__(self, message: str, *, blames_values: bool = False) -> None:
        super().__init__(message)
        self.blames_values = blames_values


class StoreUnavailable(MailsyncError):
    """The database is unreachable or overloaded, or the connection was lost; repeat the
    transaction. Also raised if AWS KMS or Step Functions is unavailable."""


class VerificationFailed(MailsyncError):
    """The run ended although some folders were not verified. The run is stored as failed."""


def list_raisable_error_names() -> frozenset[str]:
    """Return the class names of all errors of Mailsync that a Lambda function may raise. These are
    the subclasses of MailsyncError."""
    return frozenset(each.__name__ for each in MailsyncError.__subclasses__())
