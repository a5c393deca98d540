"""Accounts that were purged, one after another."""

import pytest

from mailsync.errors import StoreUnavailable
from mailsync.model import AccountId
from mailsync.store.connection import Database
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from mailsync.sync.purge import purge_accounts_marked_for_deletion
from tests.store.rows import one
from tests.support.builders import connect_account


class Barred(AccountControlStore):
    """The rows of its first account are held by somebody who does not let go."""

    def delete_batch_of_account_data(self, account_id: AccountId) -> bool:
        if account_id == self.list_accounts_to_purge()[0]:
            raise StoreUnavailable("The database gave up on 'purge_emails' (SQLSTATE 55P03).")
        return super().delete_batch_of_account_data(account_id)


def test_an_account_that_cannot_be_deleted_now_holds_no_other_up_and_is_not_kept_quiet(
    database: Database,
) -> None:
    store = Barred(database)
    for user_id in ("ann", "bo"):
        store.begin_purge(AccountOfRequestingUser(connect_account(database, user_id), user_id))
    first, _ = store.list_accounts_to_purge()

    with pytest.raises(StoreUnavailable):
        purge_accounts_marked_for_deletion(store, budget_s=10)

    assert store.list_accounts_to_purge() == (first,)
    assert one(database, "SELECT count(*) FROM mailsync.email_accounts") == [1]
