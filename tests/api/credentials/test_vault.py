"""Secrets at rest, under a key of the real KMS protocol."""

import time
from typing import Any

import pytest

from mailsync.credentials.kms import KmsDataKeyClient
from mailsync.credentials.vault import (
    DATA_KEY_CACHE_LIFETIME_S,
    SealedColumn,
    SealingContext,
    Vault,
)
from mailsync.errors import AccessRevoked, SettingMissing, StoreUnavailable
from mailsync.model import SealedSecret
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from tests.api.requests import Sql

GRANT = SealingContext(SealedColumn.GRANT, "account-1")


def test_a_sealed_secret_opens_in_another_process(
    vault: Vault, kms: Any, token_key_arn: str, store: CredentialStore
) -> None:
    sealed = vault.seal_text(GRANT, "grant \u4f60")

    assert Vault(token_key_arn, store, kms).decrypt_sealed_text(GRANT, sealed) == "grant \u4f60"
    assert b"grant" not in sealed.sealed_bytes
    assert vault.seal_text(GRANT, "grant \u4f60") != sealed


@pytest.mark.parametrize("place", [0, 12, -1])
def test_a_secret_that_was_changed_or_is_of_another_account_does_not_open(
    vault: Vault, place: int
) -> None:
    sealed = vault.seal_text(GRANT, "grant")
    data = bytearray(sealed.sealed_bytes)
    data[place] ^= 1

    with pytest.raises(AccessRevoked):
        vault.decrypt_sealed_text(GRANT, SealedSecret(sealed.key_id, bytes(data)))
    with pytest.raises(AccessRevoked):
        vault.decrypt_sealed_text(SealingContext(SealedColumn.GRANT, "account-2"), sealed)


def test_a_data_key_is_kept_for_ten_minutes(
    kms: Any, token_key_arn: str, store: CredentialStore, database: Database
) -> None:
    now = [0.0]
    sealed = Vault(token_key_arn, store, kms).seal_text(GRANT, "grant")
    vault = Vault(token_key_arn, store, kms, clock=lambda: now[0])

    for now[0], is_read in (
        (0.0, True),
        (DATA_KEY_CACHE_LIFETIME_S - 1, False),
        (DATA_KEY_CACHE_LIFETIME_S, True),
    ):
        before = database.sent_statement_count
        assert vault.decrypt_sealed_text(GRANT, sealed) == "grant"
        assert (database.sent_statement_count > before) == is_read


def test_a_data_key_is_replaced_after_thirty_days_and_still_opens(
    vault: Vault, kms: Any, token_key_arn: str, store: CredentialStore, sql: Sql
) -> None:
    old = vault.seal_text(GRANT, "old")
    sql("UPDATE mailsync.data_keys SET created_at = created_at - interval '31 days'")
    later = Vault(token_key_arn, store, kms)

    new = later.seal_text(GRANT, "new")

    assert new.key_id > old.key_id
    assert later.decrypt_sealed_text(GRANT, old) == "old"
    assert later.seal_text(GRANT, "newer").key_id == new.key_id


def test_a_data_key_is_wrapped_for_one_purpose(
    vault: Vault, kms: Any, store: CredentialStore
) -> None:
    wrapped = store.read_data_key(vault.seal_text(GRANT, "grant").key_id).wrapped_key

    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=wrapped, EncryptionContext={"purpose": "x"})


def test_a_missing_key_is_a_wrong_setting(
    token_key_arn: str, store: CredentialStore, environment: pytest.MonkeyPatch
) -> None:
    vault = Vault(f"{token_key_arn[:-4]}0000", store)

    with pytest.raises(SettingMissing, match="TOKEN_KEY_ARN"):
        vault.seal_text(GRANT, "grant")


def test_an_unreachable_key_service_is_worth_another_try(
    token_key_arn: str,
    store: CredentialStore,
    environment: pytest.MonkeyPatch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = KmsDataKeyClient("http://127.0.0.1:9")
    monkeypatch.setattr(time, "sleep", lambda _: None)

    with pytest.raises(StoreUnavailable):
        Vault(token_key_arn, store, missing).seal_text(GRANT, "grant")
