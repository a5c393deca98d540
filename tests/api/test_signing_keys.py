"""The authorizer with the keys of an issuer, over real HTTP; the clock is moved, not waited for."""

import json
import ssl
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mailsync import published_keys
from mailsync.api.bearer import Caller, verify_bearer_token
from mailsync.api.signing_keys import build_verification_keys
from mailsync.errors import SettingMissing
from mailsync.published_keys import (
    KEY_SET_REFRESH_AFTER_S,
    MAX_STALE_KEY_SET_AGE_S,
    MIN_KEY_SET_FETCH_INTERVAL_IF_EMPTY_S,
    MIN_KEY_SET_FETCH_INTERVAL_S,
    PublishedKeySet,
)
from mailsync.settings import Settings
from tests.api.issuer import (
    Issuer,
    PrivateKey,
    bearer,
    ec_key,
    hs256,
    public_jwk,
    public_pem,
    rsa_key,
)

ANN = Caller("ann", is_admin=False)
RSA, OTHER_RSA, EC = rsa_key(), rsa_key(), ec_key()


class Verifier:
    """The product's verification, at a time of the test's choice."""

    def __init__(self, url: str) -> None:
        self.now = 1_000_000.0
        self._settings = Settings({"JWT_JWKS_URL": url, "JWT_AUDIENCE": "*"})
        self._keys = PublishedKeySet(url, ssl.create_default_context(), clock=lambda: self.now)

    def __call__(self, authorization: str) -> Caller | None:
        return verify_bearer_token(authorization, self._settings, self._keys)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        running.publish(RSA, "rsa", alg="RS256")
        running.publish(EC, "ec", alg="ES256")
        yield running


@pytest.fixture
def verify(issuer: Issuer) -> Verifier:
    return Verifier(issuer.url)


def signed(key: PrivateKey = RSA, kid: str | None = "rsa", **changed: Any) -> str:
    algorithm = "RS256" if isinstance(key, type(RSA)) else "ES256"
    return bearer(key, algorithm, kid=kid, **changed)


def test_both_kinds_of_keys_verify_after_one_request(issuer: Issuer, verify: Verifier) -> None:
    assert verify(signed(RSA, "rsa")) == ANN
    assert verify(signed(EC, "ec")) == ANN
    assert issuer.requests == 1


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(hs256(public_pem(RSA), "rsa"), id="HS256 with the public key as its secret"),
        pytest.param(hs256(json.dumps(public_jwk(RSA)).encode(), "rsa"), id="HS256 with the JWK"),
        pytest.param(hs256(b"a-secret-of-at-least-thirty-two-bytes", "rsa"), id="HS256"),
        pytest.param(bearer(None, "none", kid="rsa"), id="unsigned"),
        pytest.param(bearer(RSA, "RS512", kid="rsa"), id="another algorithm of the same key"),
        pytest.param(signed(OTHER_RSA, "rsa"), id="another key under a known name"),
        pytest.param(signed(EC, "rsa"), id="the name of a key of another kind"),
        pytest.param(signed(RSA, None), id="no name"),
        pytest.param(signed(RSA, "../rsa"), id="an unknown name"),
    ],
)
def test_only_the_issuers_key_and_algorithm_are_accepted(verify: Verifier, token: str) -> None:
    assert verify(token) is None
    assert verify(signed()) == ANN


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        (public_jwk(RSA, kid="k", use="enc"), "not meant for signatures"),
        (public_jwk(ec_key(ec.SECP384R1()), kid="k"), "not meant for signatures by RS256 or ES256"),
        ({"kty": "oct", "kid": "k", "k": "c2VjcmV0" * 8}, "not meant for signatures"),
        ({"kty": "RSA", "kid": "k"}, "unsupported type"),
        ("no key at all", "unsupported type"),
        (public_jwk(RSA), "has no kid"),
    ],
)
def test_a_published_key_of_no_use_is_left_out_in_words(
    issuer: Issuer, verify: Verifier, log: StringIO, published: Any, reason: str
) -> None:
    issuer.published.append(published)

    assert verify(signed(RSA, "k")) is None
    assert verify(signed()) == ANN
    assert reason in log.getvalue()


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
def test_a_weak_key_is_left_out_although_its_signature_is_right(
    issuer: Issuer, verify: Verifier, log: StringIO
) -> None:
    weak = rsa_key(1024)
    issuer.publish(weak, "weak")

    assert verify(signed(weak, "weak")) is None
    assert verify(signed()) == ANN
    assert "The RSA key has 1024 bits; at least 2048 are required." in log.getvalue()


def test_a_new_key_replaces_a_withdrawn_one_at_once(issuer: Issuer, verify: Verifier) -> None:
    assert verify(signed()) == ANN
    issuer.published = [public_jwk(OTHER_RSA, kid="next")]
    verify.now += MIN_KEY_SET_FETCH_INTERVAL_S

    assert verify(signed(OTHER_RSA, "next")) == ANN
    assert verify(signed(RSA, "rsa")) is None


def test_a_withdrawn_key_is_dropped_without_a_new_one(issuer: Issuer, verify: Verifier) -> None:
    assert verify(signed()) == ANN
    issuer.published = [public_jwk(EC, kid="ec")]

    verify.now += KEY_SET_REFRESH_AFTER_S - 1
    assert verify(signed()) == ANN
    verify.now += 1
    assert verify(signed()) is None


def test_invented_key_names_do_not_flood_the_issuer(issuer: Issuer, verify: Verifier) -> None:
    for number in range(100):
        assert verify(signed(OTHER_RSA, f"invented-{number}")) is None
        verify.now += 1

    assert issuer.requests <= 1 + 100 / MIN_KEY_SET_FETCH_INTERVAL_S
    assert verify(signed()) == ANN


def test_known_keys_outlive_an_outage_of_the_issuer_for_a_while(
    issuer: Issuer, verify: Verifier, log: StringIO
) -> None:
    assert verify(signed()) == ANN
    issuer.status = 500

    verify.now += MAX_STALE_KEY_SET_AGE_S
    assert verify(signed()) == ANN
    verify.now += 1
    assert verify(signed()) is None
    assert "signing_keys_unavailable" in log.getvalue()

    issuer.status = 200
    verify.now += MIN_KEY_SET_FETCH_INTERVAL_S
    assert verify(signed()) == ANN


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((503, b"busy"), (302, b""), (200, b"<html>")),
        *((200, b"[]"), (200, b'{"keys": {}}'), (200, b"\xff")),
    ],
)
def test_an_issuers_nonsense_admits_no_caller_and_is_fetched_again_soon(
    issuer: Issuer, verify: Verifier, log: StringIO, status: int, body: bytes
) -> None:
    issuer.status, issuer.body = status, body

    assert [verify(signed()) for _ in range(3)] == [None, None, None]
    assert issuer.requests == 1
    assert "signing_keys_unavailable" in log.getvalue()

    issuer.status, issuer.body = 200, None
    verify.now += MIN_KEY_SET_FETCH_INTERVAL_IF_EMPTY_S
    assert verify(signed()) == ANN


def test_a_hanging_or_missing_issuer_admits_no_caller(
    issuer: Issuer, verify: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published_keys, "KEY_SET_FETCH_TIMEOUT_S", 0.2)
    issuer.delay_s = 1

    assert verify(signed()) is None
    assert Verifier("http://127.0.0.1:1/jwks.json")(signed()) is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "Neither JWT_JWKS_URL nor JWT_SECRET is set"),
        ({"JWT_SECRET": "s" * 32, "JWT_JWKS_URL": "https://issuer.example/keys"}, "Both"),
        ({"JWT_JWKS_URL": "http://issuer.example/keys"}, "must be an https:// URL"),
        ({"JWT_JWKS_URL": "file:///etc/passwd"}, "must be an https:// URL"),
        ({"JWT_SECRET": "s" * 31}, "JWT_SECRET is too short: HS256 needs 32 bytes"),
    ],
)
def test_settings_must_name_one_safe_kind_of_key(values: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingMissing, match=sentence):
        build_verification_keys(Settings(values))
