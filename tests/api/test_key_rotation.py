"""Data keys are replaced without an account noticing: time is moved, then each account syncs."""

from uuid import uuid4

import pytest

from handlers.get_access_token import handler as get_access_token
from localdev.simulators import Simulators
from localdev.simulators.service import ORGANISATION_TENANT_ID
from mailsync.model import AccountId
from mailsync.store.connection import Database
from mailsync.sync.mailbox import open_encryption_vault
from tests.api.requests import Api, Sql
from tests.api.sign_in import ANN, BO, account_of, sign_in
from tests.api.subscriptions import TOKEN_ENDS, connect_for_organisation
from tests.api.syncs import begin_run
from tests.support.functions import lambda_context

IN_USE = """SELECT DISTINCT unnest(array[grant_key_id, access_key_id])
  FROM mailsync.email_credentials ORDER BY 1"""


@pytest.fixture
def accounts(api: Api, environment: pytest.MonkeyPatch, microsoft: Simulators) -> list[str]:
    """Ann and Bo have signed in; Cy's organisation lets the app in."""
    environment.setenv("MICROSOFT_TENANTS", ORGANISATION_TENANT_ID)
    microsoft.find_or_create_mailbox("cy@example.org")
    by_sign_in = [account_of(sign_in(api, microsoft, each)) for each in (ANN, BO)]
    return [*by_sign_in, connect_for_organisation(api, emailAddress="cy@example.org")]


def sync_once(database: Database, account_id: str) -> None:
    """As far as the token, in a function that has just been started."""
    open_encryption_vault.cache_clear()
    run = begin_run(database, AccountId(account_id), str(uuid4()))
    state = {"accountId": account_id, "runId": run.run_id, "leaseEpoch": run.lease_epoch}
    get_access_token(state, lambda_context())


def test_after_one_sync_of_each_account_nothing_needs_the_old_key(
    accounts: list[str], database: Database, sql: Sql
) -> None:
    ((old,),) = sql("SELECT id FROM mailsync.data_keys")
    sql(f"UPDATE mailsync.data_keys SET created_at = now() - interval '31 days';{TOKEN_ENDS}")

    sync_once(database, accounts[0])
    half_way = [each for (each,) in sql(IN_USE) if each]
    for each in accounts[1:]:
        sync_once(database, each)

    assert half_way == [old, old + 1]
    assert [each for (each,) in sql(IN_USE) if each] == [old + 1]
    sql("DELETE FROM mailsync.data_keys WHERE id = :old", old=old)
    sql(TOKEN_ENDS)
    for each in accounts:
        sql("UPDATE mailsync.email_accounts SET lease_owner = NULL")
        sync_once(database, each)
