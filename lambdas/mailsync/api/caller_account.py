"""Whose account it is: another user's is answered in the same way as one that is missing."""

from mailsync.errors import AccountNotConnected, AccountNotFound
from mailsync.model import AccountId
from mailsync.store.account_store import AccountStore, WholeAccount
from mailsync.store.connection import open_database

CANNOT_SYNC_REASONS = {
    "reauth_required": "The mail provider refuses access; connect the mailbox again.",
    "paused": "The account is paused; resume it first.",
    "disconnected": "The account is disconnected; connect the mailbox again.",
}


def require_caller_account(account_id: AccountId, user_id: str) -> WholeAccount:
    """Raises AccountNotFound."""
    found = AccountStore(open_database()).account_of_user(account_id, user_id)
    if found is None:
        raise account_not_found()
    return found


def account_not_found() -> AccountNotFound:
    return AccountNotFound("The user has no account of this id.")


def cannot_sync_error(status: str) -> AccountNotConnected:
    return AccountNotConnected(CANNOT_SYNC_REASONS[status])
