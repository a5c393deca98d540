"""Read accounts of the caller, and make the errors for accounts that the caller cannot use.

A request for an account of another user gets the same error as a request for an account that does
not exist.
"""

from mailsync.errors import AccountNotConnected, AccountNotFound
from mailsync.model import AccountId
from mailsync.store.account_store import AccountStore, AccountWithFolders
from mailsync.store.connection import open_database

CANNOT_SYNC_REASON_BY_STATUS = {
    "reauth_required": "The mail provider refuses access, so no new mail is synced. Stored mail"
    " stays readable; connect the mailbox again.",
    "paused": "The account is paused, so no new mail is synced. Stored mail stays readable; resume"
    " the account first.",
    "disconnected": "The account is disconnected, so no new mail is synced. Stored mail stays"
    " readable; connect the mailbox again.",
}
"""For each account status that prevents a sync, the error text that explains the reason."""


def require_caller_account(account_id: AccountId, user_id: str) -> AccountWithFolders:
    """Return the user's account with its folders.

    Raises:
        AccountNotFound: there is no such account, or it belongs to another user.
    """
    account = AccountStore(open_database()).find_account_of_user(account_id, user_id)
    if account is None:
        raise make_account_not_found_error()
    return account


def make_account_not_found_error() -> AccountNotFound:
    """Return the error for an account that does not exist or belongs to another user."""
    return AccountNotFound("The user has no account of this id.")


def make_cannot_sync_error(status: str) -> AccountNotConnected:
    """Return the error for the request to sync an account whose `status` is not `active`. The error
    text explains why the account cannot be synced."""
    return AccountNotConnected(CANNOT_SYNC_REASON_BY_STATUS[status])
