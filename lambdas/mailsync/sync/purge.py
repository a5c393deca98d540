"""Deleting an account that its owner took away, for as long as the time allows.

What is not done in one go is done by the next: the schedule calls this until nothing is left.
"""

import time

from mailsync.errors import MailsyncError, StoreRejected, StoreUnavailable
from mailsync.log import logger
from mailsync.model import AccountId
from mailsync.store.control_store import ControlStore


def purge(store: ControlStore, account_id: AccountId, budget_s: float) -> bool:
    """Deletes pieces for about `budget_s` seconds; whether the account is gone altogether."""
    deadline = time.monotonic() + budget_s
    while store.purge_batch(account_id):
        if time.monotonic() > deadline:
            return False
    if not store.purge_rest(account_id):
        return False
    logger.info("account_purged", account_id=account_id)
    return True


def purge_marked(store: ControlStore, budget_s: float) -> int:
    """The same for every account that is marked; how many are gone.

    One that cannot be deleted holds no other up; the failure is raised when all had their turn.
    """
    deadline = time.monotonic() + budget_s
    store.forget_left_access()
    gone = 0
    failure: MailsyncError | None = None
    for account_id in store.purging():
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            break
        try:
            gone += purge(store, account_id, left_s)
        except (StoreRejected, StoreUnavailable) as error:
            logger.warning("account_not_purged", account_id=account_id, cause=type(error).__name__)
            failure = error
    if failure is not None:
        raise failure
    return gone
