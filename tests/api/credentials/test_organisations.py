"""The application's own permission: real msal, real TLS, assertions that are really verified."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, Rule
from localdev.simulators.service import TENANT_ID
from mailsync.credentials import MIN_TOKEN_AGE_FOR_RENEWAL, open_stored_access_token
from mailsync.credentials.identity.entra import app_only_tokens
from mailsync.credentials.vault import Vault
from mailsync.errors import (
    AccessRevoked,
    MailsyncError,
    ProviderRejected,
    ProviderUnavailable,
    SettingMissing,
)
from mailsync.model import AccountId, Credentials, TreeReadingDepth
from mailsync.providers.graph.provider import GraphMailbox
from mailsync.settings import Settings, load_settings
from tests.api.credentials.memory_store import MemoryStore
from tests.support.app_certificate import app_certificate

ACCOUNT = AccountId("account-1")
EXPIRES_SOON_S = 120


@pytest.fixture
def simulators(microsoft: Simulators) -> Simulators:
    """The environment names them; `load_settings` reads it."""
    return microsoft


def app(**changed: str) -> Settings:
    return Settings({**load_settings()._values, **changed})


def certified(pem: str) -> Settings:
    """An app that has a certificate and no secret."""
    return app(MICROSOFT_CLIENT_SECRET="", MICROSOFT_CLIENT_CERTIFICATE=pem)


def may_read(simulators: Simulators, token: str) -> int:
    url = f"{simulators.graph_url}/users/ann@example.org/mailFolders/inbox"
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code


@contextmanager
def a_mailbox(simulators: Simulators, vault: Vault, store: MemoryStore) -> Iterator[GraphMailbox]:
    """Ann's, as a function opens it."""
    access = open_stored_access_token(ACCOUNT, store, vault, app())
    with closing(
        GraphMailbox(
            base_url=simulators.graph_url, access=access, ca_bundle=None, user="ann@example.org"
        )
    ) as mailbox:
        yield mailbox


def test_an_admitted_app_reads_a_mailbox_of_the_organisation(simulators: Simulators) -> None:
    tokens = app_only_tokens(app(), TENANT_ID)

    assert may_read(simulators, tokens.access.token) == 200
    assert (tokens.grant, tokens.organisation_id) == (None, TENANT_ID)


def test_an_app_with_a_certificate_needs_no_secret(simulators: Simulators) -> None:
    pem = app_certificate()
    simulators.entra.app_login.upload(pem)

    tokens = app_only_tokens(certified(pem), TENANT_ID)

    assert may_read(simulators, tokens.access.token) == 200


def test_a_certificate_is_preferred_to_a_secret(simulators: Simulators) -> None:
    both = app(MICROSOFT_CLIENT_CERTIFICATE=app_certificate())

    with pytest.raises(ProviderRejected, match="AADSTS700027"):
        app_only_tokens(both, TENANT_ID)


def test_a_certificate_that_has_expired_is_named_with_its_setting(simulators: Simulators) -> None:
    pem = app_certificate(days_left=-1)
    simulators.entra.app_login.upload(pem)

    with pytest.raises(ProviderRejected, match=r"AADSTS1000502.*MICROSOFT_CLIENT_CERTIFICATE"):
        app_only_tokens(certified(pem), TENANT_ID)


@pytest.mark.parametrize("part", ["PRIVATE KEY", "CERTIFICATE"])
def test_half_a_certificate_and_key_is_a_wrong_setting(simulators: Simulators, part: str) -> None:
    half = app_certificate().replace(part, "OTHER")

    with pytest.raises(SettingMissing, match="MICROSOFT_CLIENT_CERTIFICATE") as caught:
        app_only_tokens(certified(half), TENANT_ID)
    assert half[30:60] not in str(caught.value)


def test_a_wrong_secret_is_not_the_organisations_fault(simulators: Simulators) -> None:
    with pytest.raises(ProviderRejected, match=r"AADSTS7000215.*MICROSOFT_CLIENT_SECRET"):
        app_only_tokens(app(MICROSOFT_CLIENT_SECRET="wrong"), TENANT_ID)


@pytest.mark.parametrize(
    ("tenant", "consented", "failure"),
    [
        (TENANT_ID, False, AccessRevoked),
        ("00000000-0000-0000-0000-000000000000", True, ProviderUnavailable),
    ],
)
def test_an_organisation_without_consent_needs_a_person(
    simulators: Simulators, tenant: str, consented: bool, failure: type[MailsyncError]
) -> None:
    """For a tenant that does not exist msal reports no more than a failed request."""
    simulators.service.set_behaviour(tenant_consented=consented)

    with pytest.raises(failure):
        app_only_tokens(app(), tenant)


def test_an_organisations_token_is_kept_sealed_and_requested_again_at_its_end(
    simulators: Simulators, vault: Vault, store: MemoryStore
) -> None:
    store.saved = Credentials(None, None, None, organisation_id=TENANT_ID)
    opened = [open_stored_access_token(ACCOUNT, store, vault, app()) for _ in range(3)]
    first = opened[0].current()

    assert opened[1].current() == first
    assert store.saved.access is not None
    assert first.token.encode() not in store.saved.access.data
    simulators.service.set_behaviour(tenant_consented=False)
    store.saved = replace(
        store.saved, access_issued_at=datetime.now(UTC) - MIN_TOKEN_AGE_FOR_RENEWAL
    )
    with pytest.raises(AccessRevoked):
        opened[2].renew(first)
    assert not store.has_ended, "an administrator may admit the app again"


def test_an_ending_token_is_replaced(
    simulators: Simulators, vault: Vault, store: MemoryStore
) -> None:
    simulators.service.set_behaviour(token_lifetime_s=EXPIRES_SOON_S)
    store.saved = app_only_tokens(app(), TENANT_ID).seal(ACCOUNT, vault.sealing_key())
    before = store.saved
    simulators.service.set_behaviour(token_lifetime_s=3600)

    open_stored_access_token(ACCOUNT, store, vault, app()).current()

    assert store.saved != before
    assert store.saved.organisation_id == TENANT_ID


def test_an_outage_of_graph_costs_the_identity_platform_one_request(
    simulators: Simulators, vault: Vault, store: MemoryStore
) -> None:
    """However often functions ask Graph in it, each with an access of its own."""
    store.saved = app_only_tokens(app(), TENANT_ID).seal(ACCOUNT, vault.sealing_key())
    store.saved = replace(
        store.saved, access_issued_at=datetime.now(UTC) - MIN_TOKEN_AGE_FOR_RENEWAL
    )
    outage = Fault(status=401, code="InvalidAuthenticationToken", message="Signing key is invalid.")
    simulators.service.faults.add(Rule(fault=outage, times=None))
    tokens = [store.saved.access]

    for _ in range(5):
        with pytest.raises(ProviderUnavailable), a_mailbox(simulators, vault, store) as mailbox:
            mailbox.list_folders((), TreeReadingDepth.QUICK)
        tokens.append(store.saved.access)
    simulators.service.faults.clear()

    assert tokens[1] != tokens[0]
    assert tokens[1:] == [tokens[1]] * 5
    with a_mailbox(simulators, vault, store) as mailbox:
        assert mailbox.list_folders((), TreeReadingDepth.QUICK).folders
    assert store.saved.access == tokens[1]
