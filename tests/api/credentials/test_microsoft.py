"""Real msal against an identity platform over TLS."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mailsync.credentials.identity import SignInRejected, SignInResult
from mailsync.credentials.identity.entra import begin_sign_in, finish_sign_in, refresh_tokens
from mailsync.credentials.token_set import TokenSet
from mailsync.errors import AccessRevoked, ProviderThrottled, ProviderUnavailable
from mailsync.settings import Settings
from tests.api.credentials.identity_platform import IdentityPlatform
from tests.support.builders import OAUTH

Renew = Callable[[], TokenSet]
REDIRECT_URI = "https://app.example/api/auth/microsoft/callback"


def signed_in(platform: IdentityPlatform, **query: str) -> SignInResult:
    """`query` is what Microsoft adds to the redirect beside the state."""
    flow = json.loads(json.dumps(begin_sign_in(platform.app, OAUTH, REDIRECT_URI)))
    platform.nonce = hashlib.sha256(flow["nonce"].encode()).hexdigest()
    return finish_sign_in(
        platform.app, OAUTH, flow, {"state": flow["state"], **(query or {"code": "c"})}
    )


@pytest.fixture
def renew(platform: IdentityPlatform) -> Renew:
    """Renew the tokens of a sign-in, which was the first request for tokens."""
    return partial(refresh_tokens, platform.app, OAUTH, signed_in(platform).tokens.renewal_grant)


def test_a_sign_in_has_mail_scopes_and_pkce_and_hides_secrets(platform: IdentityPlatform) -> None:
    found = signed_in(platform)

    assert (found.user_id_at_provider, found.email_address) == ("ann.tenant", "ann@example.org")
    assert found.tokens.access_token.token == "access-1"
    sent = platform.redeemed[0]
    assert sent["redirect_uri"] == REDIRECT_URI
    assert len(sent["code_verifier"]) >= 43
    assert {"Mail.Read", "User.Read"} <= set(sent["scope"].split())
    assert not [each for each in ("access-1", "refresh-1") if each in repr(found)]


def test_each_renewal_uses_the_newest_grant(platform: IdentityPlatform, renew: Renew) -> None:
    first = renew()
    second = refresh_tokens(platform.app, OAUTH, first.renewal_grant)

    used = [each.get("refresh_token") for each in platform.redeemed]
    assert used == [None, "refresh-1", "refresh-2"]
    assert second.access_token.token == "access-3"


def test_a_refused_renewal_names_its_reason_and_no_person(
    platform: IdentityPlatform, renew: Renew
) -> None:
    platform.refusal = {"error": "invalid_grant", "error_codes": [50173]}
    platform.refusal["error_description"] = "ann@example.org may not"

    with pytest.raises(AccessRevoked, match="AADSTS50173") as caught:
        renew()
    assert "ann@" not in str(caught.value)


def test_a_renewal_after_a_refused_one_is_not_taken_from_memory(
    platform: IdentityPlatform, renew: Renew
) -> None:
    platform.refusal = {"error": "invalid_grant"}
    with pytest.raises(AccessRevoked):
        renew()
    platform.refusal = None

    assert renew().access_token.token == "access-3"


LOOP = {"error": "invalid_grant", "error_codes": [50196]}


@pytest.mark.parametrize(
    ("refusal", "wait_s"),
    [
        ({"status": 429, "headers": {"Retry-After": "60"}}, 60),
        ({"status": 429}, None),
        ({"status": 503, "headers": {"Retry-After": "120"}}, 120),
        ({"refusal": LOOP, "headers": {"Retry-After": "90"}}, 90),
        ({"refusal": LOOP}, None),
        ({"refusal": {"error": "temporarily_unavailable"}, "headers": {"Retry-After": "5"}}, 5),
    ],
)
def test_the_pause_that_the_platform_requests_is_known_though_msal_hides_it(
    platform: IdentityPlatform, renew: Renew, refusal: dict[str, Any], wait_s: float | None
) -> None:
    for member, value in refusal.items():
        setattr(platform, member, value)

    with pytest.raises(ProviderThrottled) as caught:
        renew()
    assert caught.value.retry_after_s == wait_s


LIFETIMES = [1e300, 10**30, "9" * 400, "9" * 4301, float("inf"), [], {}, None, "soon"]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("status", each) for each in (404, 500, 503)),
        *(("expires_in", each) for each in LIFETIMES),
    ],
    ids=lambda each: str(each)[:9],
)
def test_a_platform_that_breaks_its_protocol_is_unavailable(
    platform: IdentityPlatform, renew: Renew, member: str, value: object
) -> None:
    setattr(platform, member, value)

    with pytest.raises(ProviderUnavailable):
        renew()


def test_a_platform_that_nobody_vouches_for_is_unavailable(platform: IdentityPlatform) -> None:
    app = Settings({**platform.app._values, "CA_BUNDLE": ""})

    with pytest.raises(ProviderUnavailable, match="SSLError"):
        begin_sign_in(app, OAUTH, REDIRECT_URI)


@pytest.mark.parametrize(
    ("query", "scope", "code"),
    [
        ({"code": "c", "state": "other"}, None, "state_mismatch"),
        ({"error": "access_denied"}, None, "access_denied"),
        ({}, "User.Read openid", "scope_missing"),
    ],
)
def test_a_redirect_without_consent_to_mail_is_refused(
    platform: IdentityPlatform, query: dict[str, str], scope: str, code: str
) -> None:
    platform.scope = scope or platform.scope

    with pytest.raises(SignInRejected) as caught:
        signed_in(platform, **query)
    assert caught.value.code == code
    assert len(platform.redeemed) == (not query)
