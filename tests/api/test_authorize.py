"""The authorizer, on tokens as an application signs them."""

import json
import time
from io import StringIO
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from handlers.authorize import handler
from mailsync.settings import load_settings
from tests.api.requests import Context, sample

SECRET = "a-secret-of-at-least-thirty-two-bytes"


def a_token(key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """Ann's, good for a minute; a claim of None is left out."""
    said = {"sub": "ann", "exp": int(time.time()) + 60, **claims}
    kept = {name: value for name, value in said.items() if value is not None}
    return "Bearer " + jwt.encode(kept, key, algorithm=algorithm)


def authorize(authorization: str) -> Any:
    event = sample("authorize")
    event["identitySource"] = [authorization]
    event["headers"]["authorization"] = authorization
    return handler(event, Context())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("JWT_SECRET", SECRET)
    load_settings.cache_clear()
    return monkeypatch


def test_a_good_token_names_the_user() -> None:
    assert authorize(a_token()) == {"isAuthorized": True, "context": {"userId": "ann"}}


def test_the_sample_event_is_answered_and_refused() -> None:
    answer = handler(sample("authorize"), Context())  # type: ignore[arg-type]

    assert answer == {"isAuthorized": False, "context": {"userId": ""}}


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(a_token(exp=int(time.time()) - 1), id="expired"),
        pytest.param(a_token(exp=None), id="without expiry"),
        pytest.param(a_token(sub=None), id="without subject"),
        pytest.param(a_token(sub=""), id="empty subject"),
        pytest.param(a_token("another-secret-of-thirty-two-bytes-x"), id="another key"),
        pytest.param(a_token(SECRET * 2, "HS512"), id="another algorithm"),
        pytest.param(a_token("", "none"), id="unsigned"),
        pytest.param(a_token(nbf=int(time.time()) + 60), id="not yet valid"),
        pytest.param(a_token()[:-2], id="cut"),
        pytest.param(a_token().replace("Bearer", "Basic"), id="another scheme"),
        pytest.param("Bearer", id="no token"),
        pytest.param("", id="no header"),
    ],
)
def test_a_bad_token_names_nobody(token: str) -> None:
    assert authorize(token) == {"isAuthorized": False, "context": {"userId": ""}}


def test_a_token_signed_with_a_private_key_names_nobody() -> None:
    """The classic confusion: the algorithm must come from us, not from the token."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    assert authorize(a_token(key, "RS256"))["isAuthorized"] is False


@pytest.mark.parametrize(("setting", "claim"), [("JWT_AUDIENCE", "aud"), ("JWT_ISSUER", "iss")])
def test_audience_and_issuer_must_match_when_they_are_set(
    secret: pytest.MonkeyPatch, setting: str, claim: str
) -> None:
    unchecked = authorize(a_token(**{claim: "somebody"}))
    secret.setenv(setting, "authenticated")
    load_settings.cache_clear()

    assert unchecked["isAuthorized"] is True
    assert authorize(a_token(**{claim: "authenticated"}))["isAuthorized"] is True
    assert authorize(a_token(**{claim: "somebody"}))["isAuthorized"] is False
    assert authorize(a_token())["isAuthorized"] is False


@profile(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters(codec="latin-1")))
def test_no_header_brings_the_authorizer_down(text: str) -> None:
    assert authorize(f"Bearer {text}")["isAuthorized"] is False


def test_no_token_is_logged(log: StringIO) -> None:
    good, bad = a_token(), a_token(exp=1)

    authorize(good)
    authorize(bad)

    logged = log.getvalue()
    assert json.loads(logged.splitlines()[0])["message"] == "caller_checked"
    assert not [part for part in (good + "." + bad)[7:].split(".") if part in logged]
