"""Secrets at rest, under a key of the real KMS protocol."""

from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from localdev.engine.aws_resources import aws_client
from mailsync.credentials.vault import DATA_KEY_CACHE_S, SealedColumn, SealingContext, Vault
from mailsync.errors import AccessRevoked, SettingMissing, StoreUnavailable
from mailsync.model import SealedSecret
from tests.api.credentials.memory_store import MemoryStore

GRANT = SealingContext(SealedColumn.GRANT, "account-1")


def test_a_sealed_secret_opens_in_another_process(
    vault: Vault, kms: Any, key_arn: str, store: MemoryStore
) -> None:
    sealed = vault.seal(GRANT, "grant \u4f60")

    assert Vault(key_arn, store, kms).open(GRANT, sealed) == "grant \u4f60"
    assert b"grant" not in sealed.data


def test_a_secret_does_not_open_for_another_account(vault: Vault) -> None:
    sealed = vault.seal(GRANT, "grant")

    with pytest.raises(AccessRevoked):
        vault.open(SealingContext(SealedColumn.GRANT, "account-2"), sealed)


@pytest.mark.parametrize("place", [0, 12, -1])
def test_a_changed_secret_does_not_open(vault: Vault, place: int) -> None:
    data = bytearray(vault.seal(GRANT, "grant").data)
    data[place] ^= 1

    with pytest.raises(AccessRevoked):
        vault.open(GRANT, SealedSecret(1, bytes(data)))


def test_the_same_secret_never_looks_the_same(vault: Vault) -> None:
    assert vault.seal(GRANT, "grant") != vault.seal(GRANT, "grant")


def test_a_data_key_is_kept_for_ten_minutes(kms: Any, key_arn: str, store: MemoryStore) -> None:
    now = [0.0]
    sealed = Vault(key_arn, store, kms).seal(GRANT, "grant")
    vault = Vault(key_arn, store, kms, clock=lambda: now[0])
    vault.open(GRANT, sealed)
    wrapped = store.keys.pop(1)

    now[0] = DATA_KEY_CACHE_S - 1
    assert vault.open(GRANT, sealed) == "grant"
    now[0] = DATA_KEY_CACHE_S
    with pytest.raises(KeyError):
        vault.open(GRANT, sealed)
    store.keys[1] = wrapped
    assert vault.open(GRANT, sealed) == "grant"


def test_a_data_key_is_replaced_after_thirty_days_and_still_opens(
    vault: Vault, kms: Any, key_arn: str, store: MemoryStore
) -> None:
    old = vault.seal(GRANT, "old")
    store.age_keys(timedelta(days=31))
    later = Vault(key_arn, store, kms)

    new = later.seal(GRANT, "new")

    assert (old.key_id, new.key_id) == (1, 2)
    assert later.open(GRANT, old) == "old"
    assert later.seal(GRANT, "newer").key_id == 2


def test_a_data_key_is_wrapped_for_one_purpose(vault: Vault, kms: Any, store: MemoryStore) -> None:
    vault.seal(GRANT, "grant")

    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=store.keys[1].wrapped, EncryptionContext={"purpose": "x"})


def test_a_missing_key_is_a_wrong_setting(kms: Any, key_arn: str, store: MemoryStore) -> None:
    vault = Vault(f"{key_arn[:-4]}0000", store, kms)

    with pytest.raises(SettingMissing, match="TOKEN_KEY_ARN"):
        vault.seal(GRANT, "grant")


def test_an_unreachable_key_service_is_worth_another_try(key_arn: str, store: MemoryStore) -> None:
    missing = aws_client("kms", "http://127.0.0.1:9")

    with closing(missing), pytest.raises(StoreUnavailable):
        Vault(key_arn, store, missing).seal(GRANT, "grant")
