"""Data keys are replaced without an account noticing: time is moved, then everybody syncs once."""

import os
from uuid import uuid4

import boto3
import pytest

from handlers.get_access_token import handler as get_access_token
from localdev.simulators import Simulators
from localdev.simulators.service import TENANT_ID
from mailsync.credentials.token_set import grant_context
from mailsync.credentials.vault import Vault
from mailsync.model import AccountId, RunId, SyncType
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.lease_store import LeaseStore
from mailsync.sync.mailbox import open_vault
from tests.api.conftest import Ask, Sql
from tests.api.connecting import BEGIN, CALLBACK, choose, cookie_of
from tests.api.requests import Context

A_MONTH_PASSES = (
    "UPDATE mailsync.data_keys SET created_at = created_at - interval '31 days'",
    "UPDATE mailsync.email_credentials"
    " SET access_expires_at = access_expires_at - interval '31 days'",
)
IN_USE = """SELECT DISTINCT unnest(array[grant_key_id, access_key_id])
  FROM mailsync.email_credentials ORDER BY 1"""


@pytest.fixture
def accounts(ask_connect: Ask, environment: pytest.MonkeyPatch, identity: Simulators) -> list[str]:
    """Ann and Bo have signed in; Cy's organisation lets the app in."""
    environment.setenv("MICROSOFT_TENANTS", TENANT_ID)
    identity.add_mailbox("cy@example.org")
    found = []
    for account in ("ann@example.org", "bo@example.org"):
        begun = ask_connect(BEGIN)
        query = choose(identity, begun, account=account)
        landed = ask_connect(CALLBACK, query=query, cookies=cookie_of(begun), user=None)
        found.append(landed.headers["Location"].split("accountId=")[1])
    body = {"tenantId": TENANT_ID, "emailAddress": "cy@example.org"}
    admitted = ask_connect("POST /api/email/accounts/microsoft", body=body, admin=True)
    return [*found, admitted.json["accountId"]]


def sync_once(database: Database, account_id: str) -> None:
    """As far as the token, in a function that has just been started."""
    open_vault.cache_clear()
    run_id = RunId(str(uuid4()))
    epoch = LeaseStore(database).begin(AccountId(account_id), run_id, run_id, SyncType.AUTO, "test")
    state = {"accountId": account_id, "runId": run_id, "leaseEpoch": epoch}
    get_access_token(state, Context())  # type: ignore[arg-type]


def move_time(sql: Sql) -> None:
    for each in A_MONTH_PASSES:
        sql(each)


def test_after_everybody_synced_once_nothing_needs_the_old_key(
    accounts: list[str], database: Database, sql: Sql
) -> None:
    ((old,),) = sql("SELECT id FROM mailsync.data_keys")
    move_time(sql)

    sync_once(database, accounts[0])
    half_way = [each for (each,) in sql(IN_USE) if each]
    for each in accounts[1:]:
        sync_once(database, each)

    assert half_way == [old, old + 1]
    assert [each for (each,) in sql(IN_USE) if each] == [old + 1]
    sql("DELETE FROM mailsync.data_keys WHERE id = :old", old=old)
    sql("UPDATE mailsync.email_credentials SET access_expires_at = now()")
    for each in accounts:
        sql("UPDATE mailsync.email_accounts SET lease_owner = NULL")
        sync_once(database, each)


def test_what_was_sealed_before_opens_until_it_is_written_again(
    accounts: list[str], database: Database, sql: Sql
) -> None:
    store, account_id = CredentialStore(database), AccountId(accounts[0])
    before = store.credentials(account_id)
    move_time(sql)
    vault = Vault(os.environ["TOKEN_KEY_ARN"], store)
    newer = vault.sealing_key().id

    assert before.grant is not None
    assert "RefreshToken" in vault.open(grant_context(account_id), before.grant)
    sync_once(database, account_id)
    after = store.credentials(account_id)
    assert after.grant is not None
    assert before.grant.key_id < newer == after.grant.key_id
    assert "RefreshToken" in vault.open(grant_context(account_id), after.grant)


def test_a_key_of_the_key_service_that_is_rotated_still_opens_everything(
    accounts: list[str], database: Database, sql: Sql
) -> None:
    boto3.client("kms").rotate_key_on_demand(KeyId=os.environ["TOKEN_KEY_ARN"])
    sql("UPDATE mailsync.email_credentials SET access_expires_at = now()")

    for each in accounts:
        sync_once(database, each)

    renewed = "SELECT count(*) FROM mailsync.email_credentials WHERE access_expires_at > now()"
    assert sql(renewed) == [[len(accounts)]]
