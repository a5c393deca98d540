"""The authorizer, on tokens as an application signs them."""

import json
import time
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from handlers.authorize import handler
from mailsync.api.bearer import CLOCK_LEEWAY_S, MAX_JWT_CHARS
from mailsync.api.caller import is_caller_admin
from mailsync.api.signing_keys import get_cached_verification_keys
from mailsync.errors import SettingMissing
from mailsync.settings import load_settings
from tests.api.issuer import Issuer, bearer, ec_key, rsa_key
from tests.api.requests import a_request, sample
from tests.support.functions import lambda_context

SECRET = "a-secret-of-at-least-thirty-two-bytes"
AN_HOUR = 3600  # tokens are made when the tests are collected, long before the last one runs
ADMITTED = {"isAuthorized": True, "context": {"userId": "ann", "admin": "false"}}
REFUSED = {"isAuthorized": False, "context": {"userId": "", "admin": "false"}}


def a_token(key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return bearer(key, algorithm, **claims)


def in_s(seconds: int) -> int:
    return int(time.time()) + seconds


def authorize(authorization: str) -> Any:
    event = sample("authorize")
    event["identitySource"] = [authorization]
    event["headers"]["authorization"] = authorization
    return handler(event, lambda_context())


@pytest.fixture(autouse=True)
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Sets another one for a function that has just started; JWT_SECRET is set."""

    def change(name: str, value: str) -> None:
        monkeypatch.setenv(name, value)
        load_settings.cache_clear()
        get_cached_verification_keys.cache_clear()

    change("JWT_SECRET", SECRET)
    yield change
    load_settings.cache_clear()
    get_cached_verification_keys.cache_clear()


def test_clocks_may_differ_by_half_a_minute() -> None:
    late = a_token(exp=in_s(5 - CLOCK_LEEWAY_S))
    early = a_token(nbf=in_s(CLOCK_LEEWAY_S - 5), iat=in_s(CLOCK_LEEWAY_S - 5))

    assert CLOCK_LEEWAY_S == 30
    for each in (late, early):
        assert authorize(each) == ADMITTED


@pytest.mark.parametrize(
    ("claims", "admin"),
    [
        ({"mailsync_admin": True}, "true"),
        ({"app_metadata": {"mailsync_admin": True}}, "true"),
        ({"app_metadata": {"mailsync_admin": "true"}}, "false"),
        ({"mailsync_admin": 1}, "false"),
        ({"user_metadata": {"mailsync_admin": True}}, "false"),
        ({"app_metadata": ["mailsync_admin"]}, "false"),
        ({"role": "admin"}, "false"),
    ],
)
def test_only_the_applications_claims_name_administrators(
    claims: dict[str, Any], admin: str
) -> None:
    """A user writes his own `user_metadata` on Supabase, but not his `app_metadata`."""
    decision = authorize(a_token(**claims))

    assert decision["context"] == {"userId": "ann", "admin": admin}
    event = APIGatewayProxyEventV2(a_request("GET /api/health"))
    event.raw_event["requestContext"]["authorizer"] = {"lambda": decision["context"]}
    assert is_caller_admin(event) is (admin == "true")


def test_a_public_route_has_no_administrator() -> None:
    assert is_caller_admin(APIGatewayProxyEventV2(a_request("GET /api/health", user=None))) is False


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(a_token(exp=in_s(-CLOCK_LEEWAY_S - 1)), id="expired"),
        pytest.param(a_token(exp="tomorrow"), id="expiry that is no time"),
        pytest.param(a_token(exp=1e400), id="endless"),
        pytest.param(a_token(exp=None), id="without expiry"),
        pytest.param(a_token(sub=None), id="without subject"),
        pytest.param(a_token(sub=""), id="empty subject"),
        pytest.param(a_token(sub=7), id="subject that is no text"),
        pytest.param(a_token(sub="x" * 256), id="subject that no issuer may give"),
        pytest.param(a_token("another-secret-of-thirty-two-bytes-x"), id="another key"),
        pytest.param(a_token(SECRET * 2, "HS512"), id="another algorithm"),
        pytest.param(a_token(rsa_key(), "RS256"), id="a private key, by the token's own word"),
        pytest.param(a_token("", "none"), id="unsigned"),
        pytest.param(a_token(nbf=in_s(AN_HOUR)), id="not yet valid"),
        pytest.param(a_token(iat=in_s(AN_HOUR)), id="issued in the future"),
        pytest.param(a_token(padding="x" * MAX_JWT_CHARS), id="very long"),
        pytest.param(a_token()[:-2], id="cut"),
        pytest.param(a_token().replace("Bearer", "Basic"), id="another scheme"),
        pytest.param("Bearer", id="no token"),
        pytest.param("", id="no header"),
    ],
)
def test_a_bad_token_is_refused(token: str) -> None:
    assert authorize(token) == REFUSED


@pytest.mark.parametrize(("name", "claim"), [("JWT_AUDIENCE", "aud"), ("JWT_ISSUER", "iss")])
def test_audience_and_issuer_must_match_when_they_are_set(
    setting: Callable[[str, str], None], name: str, claim: str
) -> None:
    unchecked = authorize(a_token(**{claim: "another"}))
    setting(name, "authenticated")

    assert unchecked == ADMITTED
    assert authorize(a_token(**{claim: "authenticated"})) == ADMITTED
    assert authorize(a_token(**{claim: "another"})) == REFUSED
    assert authorize(a_token()) == REFUSED


def test_one_of_several_audiences_is_enough(setting: Callable[[str, str], None]) -> None:
    setting("JWT_AUDIENCE", "web, mobile")

    assert authorize(a_token(aud=["other", "mobile"])) == ADMITTED
    assert authorize(a_token(aud="web")) == ADMITTED
    assert authorize(a_token(aud="web, mobile")) == REFUSED


def test_an_issuers_keys_admit_only_what_was_made_for_the_audience_that_is_set(
    setting: Callable[[str, str], None],
) -> None:
    key = ec_key()
    own, other = (bearer(key, "ES256", kid="k", aud=each) for each in ("inbox", "another-client"))
    with Issuer() as issuer:
        issuer.publish(key, "k")
        setting("JWT_SECRET", "")
        setting("JWT_JWKS_URL", issuer.url)

        with pytest.raises(SettingMissing, match="JWT_AUDIENCE"):
            authorize(other)
        assert issuer.requests == 0
        setting("JWT_AUDIENCE", "inbox")
        assert [authorize(each) for each in (own, other, a_token())] == [ADMITTED, REFUSED, REFUSED]
        setting("JWT_AUDIENCE", "*")
        assert [authorize(each) for each in (other, a_token())] == [ADMITTED, REFUSED]


@profile(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="latin-1")))
def test_any_header_is_refused_without_an_error(text: str) -> None:
    assert authorize(f"Bearer {text}") == REFUSED


def test_no_token_is_logged(log: StringIO) -> None:
    good, bad = a_token(), a_token(exp=1)

    authorize(good)
    authorize(bad)

    logged = log.getvalue()
    assert json.loads(logged.splitlines()[0])["message"] == "caller_checked"
    assert not [part for part in (good + "." + bad)[7:].split(".") if part in logged]
