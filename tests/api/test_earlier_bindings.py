"""Sealed values of the version before, which were bound to their owner alone.

They open, and are bound to their column at their next write. `tests/deploy/previous` holds a
database that version 821b3a8 made by its own routes, as of migration 0012, with its key.
"""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from localdev.engine.aws_resources import read_or_create_token_kms_key
from localdev.simulators import Simulators
from localdev.simulators.service import ORGANISATION_TENANT_ID
from mailsync.credentials.token_set import (
    make_access_token_sealing_context,
    make_grant_sealing_context,
)
from mailsync.credentials.vault import SealedColumn, SealingContext, SealingKey, Vault
from mailsync.errors import AccessRevoked
from mailsync.model import AccountId, SealedSecret
from mailsync.settings import Settings
from mailsync.store.connection import Database, connect
from mailsync.store.migrate import apply_migrations, read_migrations
from mailsync.sync.mailbox import open_encryption_vault
from tests.api.requests import ApiResponse, Sql
from tests.api.sign_in import account_of
from tests.api.test_key_rotation import sync_once
from tests.deploy.previous import SEALED

ANN = AccountId("aba3c38e-7a2d-447d-9e65-e62d8ebc179c")
BO = AccountId("1ae9efb7-3251-42f9-9cfc-158f1a138194")
OF_FOLDER = SealingContext(SealedColumn.CHANGE_FEED_CURSOR, f"{ANN}/1")
STORED = """SELECT grant_key_id, grant_sealed, access_key_id, access_sealed
  FROM mailsync.email_credentials WHERE account_id = cast(:id AS uuid)"""
EXPIRE = "UPDATE mailsync.email_credentials SET access_expires_at = now()"


@pytest.fixture
def database_url(create_database: Callable[[str], str]) -> str:
    """Of a database with two accounts that the version before has connected, migrated since."""
    settings = Settings({"DATABASE_URL": create_database("template0")})
    apply_migrations(settings, [each for each in read_migrations() if each.version <= "0012"])
    with closing(connect(settings, as_owner=True)) as connection:
        connection.run((SEALED / "database.sql").read_text())
    apply_migrations(settings)
    return settings.database_url


@pytest.fixture
def vault(
    microsoft: Simulators, aws_url: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> Vault:
    """Under the key of the version before, in whose organisation the simulated mailboxes are."""
    key = tmp_path / "token-key.json"
    key.write_text((SEALED / key.name).read_text())
    environment.setenv("TOKEN_KEY_ARN", read_or_create_token_kms_key(aws_url, key).arn)
    environment.setenv("MICROSOFT_TENANTS", ORGANISATION_TENANT_ID)
    open_encryption_vault.cache_clear()
    return open_encryption_vault()


def opens_under(binding: bytes, key: SealingKey, sealed: SealedSecret) -> bool:
    try:
        key.aes_gcm_cipher.decrypt(sealed.sealed_bytes[:12], sealed.sealed_bytes[12:], binding)
    except InvalidTag:
        return False
    return True


def test_each_value_of_the_version_before_opens(vault: Vault, sql: Sql) -> None:
    grant_key, grant, access_key, access = sql(STORED, id=ANN)[0]
    ((cursor_key, cursor),) = sql("SELECT cursor_key_id, cursor_sealed FROM mailsync.change_feeds")
    ((user, flow_key, flow),) = sql(
        "SELECT user_id, flow_key_id, flow_sealed FROM mailsync.sign_ins"
    )

    assert "RefreshToken" in json.loads(
        vault.decrypt_sealed_text(make_grant_sealing_context(ANN), SealedSecret(grant_key, grant))
    )
    assert (
        vault.decrypt_sealed_text(
            make_access_token_sealing_context(ANN), SealedSecret(access_key, access)
        ).count(".")
        == 2
    )
    assert "deltatoken=earlier" in vault.decrypt_sealed_text(
        OF_FOLDER, SealedSecret(cursor_key, cursor)
    )
    sign_in = vault.decrypt_sealed_text(
        SealingContext(SealedColumn.UNFINISHED_SIGN_IN_FLOW, user), SealedSecret(flow_key, flow)
    )
    assert "code_verifier" in json.loads(sign_in)


def test_a_sync_binds_an_account_of_the_version_before_to_its_columns(
    vault: Vault, database: Database, sql: Sql, microsoft: Simulators
) -> None:
    """By the organisation's word: a grant names the port of the platform that gave it."""
    sql(EXPIRE)
    before = sql(STORED, id=BO)

    sync_once(database, BO)

    ((_, _, key_id, access),) = after = sql(STORED, id=BO)
    key, renewed = (
        open_encryption_vault().find_or_make_newest_sealing_key(),
        SealedSecret(key_id, access),
    )
    assert before != after
    assert opens_under(make_access_token_sealing_context(BO).aead_associated_data, key, renewed)
    assert not opens_under(BO.encode(), key, renewed)


def test_a_value_in_another_column_of_its_owner_does_not_open_and_stays(
    vault: Vault, connected: ApiResponse, database: Database, sql: Sql
) -> None:
    """Who can write to the database could have the access token sent where the grant is sent."""
    account_id = AccountId(account_of(connected))
    ((grant_key, grant, access_key, access),) = good = sql(STORED, id=account_id)
    swap = """UPDATE mailsync.email_credentials SET grant_key_id = :gk, grant_sealed = :g,
       access_key_id = :ak, access_sealed = :a WHERE account_id = cast(:id AS uuid)"""
    sql(swap, gk=access_key, g=access, ak=grant_key, a=grant, id=account_id)
    swapped = sql(STORED, id=account_id)

    for expired in ("SELECT 1", EXPIRE):
        sql(expired)
        with pytest.raises(AccessRevoked, match="cannot be decrypted"):
            sync_once(database, account_id)
        sql("UPDATE mailsync.email_accounts SET lease_owner = NULL")

    assert sql(STORED, id=account_id) == swapped != good
    sql(swap, gk=grant_key, g=grant, ak=access_key, a=access, id=account_id)
    sync_once(database, account_id)


def test_no_binding_equals_an_earlier_one() -> None:
    """An earlier one is a user's id or ours, and Postgres' text holds no NUL."""
    bindings = {SealingContext(column, "owner").aead_associated_data for column in SealedColumn}

    assert len(bindings) == len(SealedColumn)
    assert all(b"\0" in each for each in bindings)
