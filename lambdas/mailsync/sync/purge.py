"""Delete accounts that are marked for deletion, within a time budget. The schedule repeats this
until no data of the accounts remains."""

import time

from mailsync.errors import MailsyncError, StoreRejected, StoreUnavailable
from mailsync.log import logger
from mailsync.model import AccountId
from mailsync.store.control_store import AccountControlStore


def purge_account(store: AccountControlStore, account_id: AccountId, budget_s: float) -> bool:
    """Delete the data of an account in batches for about `budget_s` seconds; return whether no data
    remains."""
    deadline = time.monotonic() + budget_s
    while store.delete_batch_of_account_data(account_id):
        if time.monotonic() > deadline:
            return False
    if not store.delete_row_of_purged_account(account_id):
        return False
    logger.info("account_purged", account_id=account_id)
    return True


def purge_accounts_marked_for_deletion(store: AccountControlStore, budget_s: float) -> int:
    """Delete the accounts that are marked for deletion, within about `budget_s` seconds. Return how
    many accounts were deleted completely.

    If the deletion of one account fails, the other accounts are still deleted. The error is raised
    at the end.
    """
    deadline = time.monotonic() + budget_s
    store.delete_credentials_of_unconnected_accounts()
    gone = 0
    failure: MailsyncError | None = None
    for account_id in store.list_accounts_to_purge():
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            break
        try:
            gone += purge_account(store, account_id, left_s)
        except (StoreRejected, StoreUnavailable) as error:
            logger.warning("account_not_purged", account_id=account_id, cause=type(error).__name__)
            failure = error
    if failure is not None:
        raise failure
    return gone
