"""Real msal against an identity platform over TLS."""

import hashlib
import json
from typing import Any

import pytest

from mailsync.credentials.microsoft import (
    SignInResult,
    begin_sign_in,
    finish_sign_in,
    refresh_tokens,
)
from mailsync.credentials.microsoft_errors import SignInRejected
from mailsync.errors import (
    AccessRevoked,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from mailsync.settings import Settings
from tests.api.credentials.identity_platform import IdentityPlatform

REDIRECT_URI = "https://app.example/api/auth/microsoft/callback"


def signed_in(settings: Settings, platform: IdentityPlatform, **query: str) -> SignInResult:
    """`query` is what Microsoft adds to the redirect beside the state."""
    flow = json.loads(json.dumps(begin_sign_in(settings, REDIRECT_URI)))
    platform.nonce = hashlib.sha256(flow["nonce"].encode()).hexdigest()
    return finish_sign_in(settings, flow, {"state": flow["state"], **(query or {"code": "c"})})


def test_a_sign_in_asks_for_mail_to_read_and_proves_itself_with_pkce(
    settings: Settings, platform: IdentityPlatform
) -> None:
    found = signed_in(settings, platform)

    assert (found.home_account_id, found.address) == ("ann.tenant", "ann@example.org")
    assert found.tokens.access.token == "access-1"
    sent = platform.redeemed[0]
    assert sent["redirect_uri"] == REDIRECT_URI
    assert len(sent["code_verifier"]) >= 43
    assert {"Mail.Read", "User.Read"} <= set(sent["scope"].split())


def test_secrets_of_a_sign_in_are_not_printed(
    settings: Settings, platform: IdentityPlatform
) -> None:
    shown = repr(signed_in(settings, platform))

    assert "access-1" not in shown
    assert "refresh-1" not in shown


def test_each_renewal_uses_the_newest_grant(settings: Settings, platform: IdentityPlatform) -> None:
    first = refresh_tokens(settings, signed_in(settings, platform).tokens.grant)
    second = refresh_tokens(settings, first.grant)

    used = [each.get("refresh_token") for each in platform.redeemed]
    assert used == [None, "refresh-1", "refresh-2"]
    assert second.access.token == "access-3"


@pytest.mark.parametrize(
    ("error", "number", "failure"),
    [
        ("invalid_grant", 50173, AccessRevoked),
        ("interaction_required", 50076, AccessRevoked),
        ("consent_required", 65001, AccessRevoked),
        ("invalid_client", 7000222, ProviderRejected),
        ("temporarily_unavailable", 90033, ProviderUnavailable),
    ],
)
def test_a_refused_renewal_names_its_reason_and_nobody(
    settings: Settings,
    platform: IdentityPlatform,
    error: str,
    number: int,
    failure: type[MailsyncError],
) -> None:
    grant = signed_in(settings, platform).tokens.grant
    platform.refusal = {
        "error": error,
        "error_codes": [number],
        "error_description": "ann@example.org may not",
    }

    with pytest.raises(failure, match=f"AADSTS{number}") as caught:
        refresh_tokens(settings, grant)
    assert "ann@" not in str(caught.value)


def test_a_renewal_after_a_refused_one_is_not_answered_from_memory(
    settings: Settings, platform: IdentityPlatform
) -> None:
    grant = signed_in(settings, platform).tokens.grant
    platform.refusal = {"error": "invalid_grant"}
    with pytest.raises(AccessRevoked):
        refresh_tokens(settings, grant)
    platform.refusal = None

    assert refresh_tokens(settings, grant).access.token == "access-3"


LOOP = {"error": "invalid_grant", "error_codes": [50196]}


@pytest.mark.parametrize(
    ("status", "refusal", "headers", "wait_s"),
    [
        (429, None, {"Retry-After": "60"}, 60),
        (429, None, {}, None),
        (503, None, {"Retry-After": "120"}, 120),
        (200, LOOP, {"Retry-After": "90"}, 90),
        (200, LOOP, {}, None),
        (200, {"error": "temporarily_unavailable"}, {"Retry-After": "5"}, 5),
    ],
)
def test_the_pause_that_the_platform_asks_for_is_known_though_msal_hides_it(
    *,
    settings: Settings,
    platform: IdentityPlatform,
    status: int,
    refusal: dict[str, Any] | None,
    headers: dict[str, str],
    wait_s: float | None,
) -> None:
    grant = signed_in(settings, platform).tokens.grant
    platform.status, platform.refusal, platform.headers = status, refusal, headers

    with pytest.raises(ProviderThrottled) as caught:
        refresh_tokens(settings, grant)
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_platform_that_does_not_speak_its_protocol_is_unavailable(
    settings: Settings, platform: IdentityPlatform, status: int
) -> None:
    grant = signed_in(settings, platform).tokens.grant
    platform.status = status

    with pytest.raises(ProviderUnavailable):
        refresh_tokens(settings, grant)


@pytest.mark.parametrize(
    "lifetime",
    [1e300, 10**30, "9" * 400, "9" * 4301, float("inf"), [], {}, None, "soon"],
    ids=lambda each: str(each)[:9],
)
def test_a_lifetime_that_is_none_is_a_wrong_answer_of_the_platform(
    settings: Settings, platform: IdentityPlatform, lifetime: object
) -> None:
    grant = signed_in(settings, platform).tokens.grant
    platform.expires_in = lifetime

    with pytest.raises(ProviderUnavailable):
        refresh_tokens(settings, grant)


def test_a_platform_that_cannot_be_reached_or_verified_is_unavailable(
    settings: Settings, platform: IdentityPlatform
) -> None:
    values: dict[str, Any] = {
        "MICROSOFT_AUTHORITY": platform.authority,
        "MICROSOFT_CLIENT_ID": "c",
        "MICROSOFT_CLIENT_SECRET": "s",
    }

    with pytest.raises(ProviderUnavailable, match="SSLError"):
        begin_sign_in(Settings(values), REDIRECT_URI)
    platform.stop()
    with pytest.raises(ProviderUnavailable):
        begin_sign_in(settings, REDIRECT_URI)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"code": "c", "state": "other"}, "state_mismatch"),
        ({"error": "access_denied"}, "access_denied"),
    ],
)
def test_a_redirect_that_is_no_consent_is_refused(
    settings: Settings, platform: IdentityPlatform, query: dict[str, str], code: str
) -> None:
    with pytest.raises(SignInRejected) as caught:
        signed_in(settings, platform, **query)
    assert caught.value.code == code
    assert platform.redeemed == []


def test_a_code_that_the_platform_refuses_is_a_refused_sign_in(
    settings: Settings, platform: IdentityPlatform
) -> None:
    platform.refusal = {"error": "invalid_grant", "error_codes": [70008]}

    with pytest.raises(SignInRejected, match="AADSTS70008"):
        signed_in(settings, platform)


def test_a_consent_without_mail_is_refused(settings: Settings, platform: IdentityPlatform) -> None:
    platform.scope = "User.Read openid"

    with pytest.raises(SignInRejected) as caught:
        signed_in(settings, platform)
    assert caught.value.code == "scope_missing"
