"""Read the accounts of the caller. Another user's account causes the same error as an account that
does not exist."""

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
"""The error text for each account status in which an account cannot be synced."""


def require_caller_account(account_id: AccountId, user_id: str) -> AccountWithFolders:
    """Return the user's account with its folders.

    Raises:
        AccountNotFound: there is no such account, or it belongs to another user.
    """
    account = AccountStore(open_database()).account_of_user(account_id, user_id)
    if account is None:
        raise account_not_found_error()
    return account


def account_not_found_error() -> AccountNotFound:
    """Return the error for a missing account and for an account of another user."""
    return AccountNotFound("The user has no account of this id.")


def cannot_sync_error(status: str) -> AccountNotConnected:
    """Return the error for an account whose `status` is not `active`."""
    return AccountNotConnected(CANNOT_SYNC_REASON_BY_STATUS[status])
