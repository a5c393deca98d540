"""The application's own permission: real msal, real TLS, assertions that are really verified."""

from datetime import UTC, datetime

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.service import ORGANISATION_TENANT_ID
from mailsync.credentials import MIN_AGE_TO_RENEW_REJECTED_TOKEN, make_access_token_source
from mailsync.credentials.identity.entra import request_app_only_tokens
from mailsync.credentials.vault import Vault
from mailsync.errors import AccessRevoked, ProviderRejected, ProviderUnavailable, SettingMissing
from mailsync.model import Credentials
from mailsync.model.account import Account
from mailsync.registry import MICROSOFT
from mailsync.settings import Settings, load_settings
from mailsync.store.credential_store import CredentialStore
from tests.api.conftest import Connect
from tests.api.requests import Sql
from tests.support.app_certificate import app_certificate
from tests.support.builders import OAUTH


def an_app(**changed: str) -> Settings:
    return Settings({**load_settings()._values, **changed})


def certified(pem: str) -> Settings:
    """An app that has a certificate and no secret."""
    return an_app(MICROSOFT_CLIENT_SECRET="", MICROSOFT_CLIENT_CERTIFICATE=pem)


def age_token(sql: Sql) -> None:
    """Let the stored token be old enough for a renewal."""
    issued_at = datetime.now(UTC) - MIN_AGE_TO_RENEW_REJECTED_TOKEN
    sql("UPDATE mailsync.email_credentials SET access_issued_at = :at", at=issued_at)


def test_an_app_with_a_certificate_needs_no_secret(microsoft: Simulators) -> None:
    pem = app_certificate()
    microsoft.entra.app_login.register_certificate(pem)

    tokens = request_app_only_tokens(certified(pem), OAUTH, ORGANISATION_TENANT_ID)

    url = f"{microsoft.graph_url}/users/ann@example.org/mailFolders/inbox"
    headers = {"Authorization": f"Bearer {tokens.access_token.token}"}
    assert httpx.get(url, headers=headers).status_code == 200


def test_a_certificate_is_preferred_to_a_secret(microsoft: Simulators) -> None:
    both = an_app(MICROSOFT_CLIENT_CERTIFICATE=app_certificate())

    with pytest.raises(ProviderRejected, match="AADSTS700027"):
        request_app_only_tokens(both, OAUTH, ORGANISATION_TENANT_ID)


def test_a_certificate_that_has_expired_is_named_with_its_setting(microsoft: Simulators) -> None:
    pem = app_certificate(days_left=-1)
    microsoft.entra.app_login.register_certificate(pem)

    with pytest.raises(ProviderRejected, match=r"AADSTS1000502.*MICROSOFT_CLIENT_CERTIFICATE"):
        request_app_only_tokens(certified(pem), OAUTH, ORGANISATION_TENANT_ID)


@pytest.mark.parametrize("part", ["PRIVATE KEY", "CERTIFICATE"])
def test_half_a_certificate_and_key_is_a_wrong_setting(microsoft: Simulators, part: str) -> None:
    half = app_certificate().replace(part, "OTHER")

    with pytest.raises(SettingMissing, match="MICROSOFT_CLIENT_CERTIFICATE") as caught:
        request_app_only_tokens(certified(half), OAUTH, ORGANISATION_TENANT_ID)
    assert half[30:60] not in str(caught.value)


def test_an_organisation_that_does_not_exist_is_tried_again(microsoft: Simulators) -> None:
    """msal reports no more than a failed request."""
    with pytest.raises(ProviderUnavailable):
        request_app_only_tokens(an_app(), OAUTH, "00000000-0000-0000-0000-000000000000")


def test_an_organisations_token_is_kept_sealed_and_requested_again_at_its_end(
    microsoft: Simulators, vault: Vault, store: CredentialStore, connect_account: Connect, sql: Sql
) -> None:
    account_id = connect_account(
        seal=lambda _: Credentials(
            None, None, None, granting_organisation_id=ORGANISATION_TENANT_ID
        )
    )
    opened = [
        make_access_token_source(Account(account_id, MICROSOFT, "active"), store, vault, an_app())
        for _ in range(3)
    ]
    first = opened[0].get_current_token()

    assert opened[1].get_current_token() == first
    ((access, refused_at),) = sql(
        "SELECT access_sealed, refused_at FROM mailsync.email_credentials"
    )
    assert first.token.encode() not in access
    microsoft.service.set_microsoft_behaviour_switches(tenant_consented=False)
    age_token(sql)
    with pytest.raises(AccessRevoked):
        opened[2].get_token_after_refusal(first)
    assert refused_at is None, "an administrator may admit the app again"
