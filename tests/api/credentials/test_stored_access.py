"""The access token of an account, with several workers that need it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from mailsync.credentials import (
    DEFAULT_RENEWAL_PAUSE_IF_THROTTLED_S,
    MIN_AGE_TO_RENEW_REJECTED_TOKEN,
    StoredAccessTokenSource,
    StoredPasswordAsTokenSource,
    make_access_token_source,
)
from mailsync.credentials.vault import Vault
from mailsync.errors import AccessRevoked, AccountNotConnected, ProviderThrottled, SettingMissing
from mailsync.model import AccessToken, AccountId, Credentials
from mailsync.model.account import Account
from mailsync.registry import MICROSOFT
from mailsync.settings import Settings
from mailsync.store.credential_store import CredentialStore
from tests.api.conftest import Connect
from tests.api.credentials.identity_platform import IdentityPlatform
from tests.api.credentials.test_microsoft import signed_in
from tests.api.requests import Sql

REFUSED = "SELECT refused_at IS NOT NULL FROM mailsync.email_credentials"


@dataclass
class Worker:
    """Opens the account's access as each function does."""

    platform: IdentityPlatform
    store: CredentialStore
    vault: Vault
    connect_account: Connect

    def connect(
        self, *, minutes_left: int, age: timedelta = MIN_AGE_TO_RENEW_REJECTED_TOKEN
    ) -> None:
        tokens, key = signed_in(self.platform).tokens, self.vault.find_or_make_newest_sealing_key()
        now = datetime.now(UTC)
        self.account_id = self.connect_account(
            seal=lambda account_id: replace(
                tokens.seal_tokens_for_account(account_id, key),
                access_token_expires_at=now + timedelta(minutes=minutes_left),
                access_token_issued_at=now - age,
            )
        )

    def stored(self) -> Credentials:
        return self.store.read_credentials(self.account_id)

    def open(
        self, settings: Settings | None = None
    ) -> StoredAccessTokenSource | StoredPasswordAsTokenSource:
        account = Account(self.account_id, MICROSOFT, "active")
        return make_access_token_source(
            account, self.store, self.vault, settings or self.platform.app
        )


@pytest.fixture
def worker(
    platform: IdentityPlatform, store: CredentialStore, vault: Vault, connect_account: Connect
) -> Worker:
    return Worker(platform, store, vault, connect_account)


@pytest.mark.parametrize(("minutes_left", "requests"), [(6, 1), (4, 2)])
def test_a_token_is_used_until_five_minutes_before_its_end_and_then_renewed_for_all_workers(
    worker: Worker, minutes_left: int, requests: int
) -> None:
    worker.connect(minutes_left=minutes_left)

    assert [worker.open().get_current_token().token for _ in range(2)] == [f"access-{requests}"] * 2
    assert len(worker.platform.redeemed) == requests


def test_a_refused_token_is_renewed_once_for_all_workers_and_not_right_after_its_issue(
    worker: Worker,
) -> None:
    """In an outage of Graph each mailbox would else renew with each request."""
    worker.connect(minutes_left=60)
    one, other = worker.open(), worker.open()
    refused = one.get_current_token()
    newest = one.get_token_after_refusal(refused)

    assert other.get_token_after_refusal(refused) == newest
    assert [worker.open().get_token_after_refusal(newest).token for _ in range(5)] == [
        "access-2"
    ] * 5
    assert len(worker.platform.redeemed) == 2


def test_all_workers_keep_a_pause_that_one_received(worker: Worker, sql: Sql) -> None:
    worker.connect(minutes_left=1)
    worker.platform.status, worker.platform.headers = 429, {"Retry-After": "60"}
    for _ in range(3):
        with pytest.raises(ProviderThrottled) as caught:
            worker.open().get_current_token()
        assert 50 < (caught.value.retry_after_s or 0) <= 60
    assert len(worker.platform.redeemed) == 2
    worker.platform.status = 200

    sql("UPDATE mailsync.email_credentials SET renew_after = now()")

    assert worker.open().get_current_token().token == "access-3"
    assert worker.stored().token_requests_paused_until is None


def test_a_pause_of_unknown_length_is_a_minute(worker: Worker) -> None:
    worker.connect(minutes_left=1)
    worker.platform.refusal = {"error": "invalid_grant", "error_codes": [50196]}

    with pytest.raises(ProviderThrottled) as caught:
        worker.open().get_current_token()
    assert caught.value.retry_after_s == DEFAULT_RENEWAL_PAUSE_IF_THROTTLED_S


@pytest.mark.parametrize(("number", "has_ended"), [(50173, True), (53003, False), (1, False)])
def test_a_refusal_stores_only_the_end_of_a_grant(
    worker: Worker, sql: Sql, number: int, has_ended: bool
) -> None:
    worker.connect(minutes_left=1)
    before = worker.stored()
    worker.platform.refusal = {"error": "invalid_grant", "error_codes": [number]}

    with pytest.raises(AccessRevoked):
        worker.open().get_current_token()
    assert (sql(REFUSED), worker.stored()) == ([[has_ended]], before)


def test_a_renewal_that_another_worker_finished_first_is_not_repeated(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one wins between our reading and our lock."""
    worker.connect(minutes_left=1)
    original = worker.store.lock_credentials_for_renewal

    def beaten(account_id: AccountId) -> object:
        monkeypatch.setattr(worker.store, "lock_credentials_for_renewal", original)
        worker.open().get_current_token()
        return original(account_id)

    monkeypatch.setattr(worker.store, "lock_credentials_for_renewal", beaten)

    assert worker.open().get_current_token().token == "access-2"
    assert len(worker.platform.redeemed) == 2


def test_an_account_without_credentials_is_not_connected(worker: Worker) -> None:
    worker.account_id = worker.connect_account()

    with pytest.raises(AccountNotConnected):
        worker.open().get_token_after_refusal(AccessToken("any", datetime.now(UTC)))


def test_no_token_is_used_where_the_stage_lacks_the_settings_of_the_provider(
    worker: Worker,
) -> None:
    worker.connect(minutes_left=60)

    with pytest.raises(SettingMissing, match="MICROSOFT_CLIENT_ID is missing"):
        worker.open(Settings({}))
