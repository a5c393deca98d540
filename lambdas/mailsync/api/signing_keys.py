"""What the application's JWT may be signed with: one shared secret, or the keys of its issuer.

The algorithms follow from the setting, never from the token: where the issuer's keys are known,
nothing signed with HS256 is believed, and the other way round (RFC 8725, 2.1 and 3.1).
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from ssl import SSLContext
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mailsync.log import logger
from mailsync.response_body import ACCEPT_ENCODING, SMALL_BODY_BYTES, UnreadableBody, read_body
from mailsync.settings import Settings, load_settings

PUBLIC_KEY_ALGORITHMS = ("RS256", "ES256")
FETCH_TIMEOUT_S = 3.0
REFRESH_AFTER_S = 600.0
"""How long an answer of the issuer is not asked for again."""
MAX_STALE_S = 3600.0
"""How long it still counts while the issuer does not answer."""
MIN_FETCH_INTERVAL_S = 30.0
"""Between two requests, so that invented key ids cannot make us flood the issuer."""
MIN_FIRST_FETCH_INTERVAL_S = 5.0
MIN_RSA_KEY_BITS = 2048


class SigningKeys(Protocol):
    @property
    def algorithms(self) -> tuple[str, ...]: ...

    def named(self, key_id: str | None) -> jwt.PyJWK | str | None:
        """The key of that `kid`; None: there is none."""


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """Has one key, whatever its name."""

    secret: str = field(repr=False)

    @property
    def algorithms(self) -> tuple[str, ...]:
        return ("HS256",)

    def named(self, key_id: str | None) -> str:
        return self.secret


class KeySet:
    """The public keys of a JSON Web Key Set (RFC 7517), fetched when needed; `clock` in seconds.

    A key that the issuer adds is seen with the first token that names it, one that it withdraws
    is forgotten after FRESH_S. What cannot be used is left out and said in the log.
    """

    def __init__(
        self, url: str, tls: SSLContext, *, clock: Callable[[], float] = time.time
    ) -> None:
        # Wall time: between two calls a function may be frozen, and other clocks with it.
        self._url = url
        self._tls = tls
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._asked_at = -math.inf

    @property
    def algorithms(self) -> tuple[str, ...]:
        return PUBLIC_KEY_ALGORITHMS

    def named(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None:
            return None
        now = self._clock()
        if now - self._fetched_at > MAX_STALE_S:
            self._keys = {}
        if self._is_due(key_id, now):
            self._fetch(now)
        return self._keys.get(key_id)

    def _is_due(self, key_id: str, now: float) -> bool:
        asked_s_ago = now - self._asked_at
        if not self._keys:
            return asked_s_ago >= MIN_FIRST_FETCH_INTERVAL_S
        is_wanted = key_id not in self._keys or now - self._fetched_at >= REFRESH_AFTER_S
        return is_wanted and asked_s_ago >= MIN_FETCH_INTERVAL_S

    def _fetch(self, now: float) -> None:
        import httpx

        self._asked_at = now
        try:
            published = self._published()
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            UnreadableBody,
            ValueError,
            RecursionError,
        ) as error:
            logger.error(
                "signing_keys_unavailable", error=type(error).__name__, known=len(self._keys)
            )
            return
        self._fetched_at = now
        self._keys = {str(key.key_id): key for key in map(_usable, published) if key}
        logger.info("signing_keys_fetched", published=len(published), known=len(self._keys))

    def _published(self) -> list[Any]:
        """Raises httpx.HTTPError, or ValueError for an answer that is no key set."""
        import httpx

        accepted = {"Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING}
        client = httpx.Client(
            verify=self._tls, timeout=FETCH_TIMEOUT_S, trust_env=False, follow_redirects=False
        )
        with client as http, http.stream("GET", self._url, headers=accepted) as answer:
            encoding = answer.raise_for_status().headers.get("Content-Encoding")
            body = read_body(answer.iter_raw(), encoding, SMALL_BODY_BYTES)
        if body is None:
            raise ValueError("too large")
        document = json.loads(body)
        keys = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(keys, list):
            raise ValueError("no key set")
        return keys


@cache
def open_signing_keys() -> SigningKeys:
    """The keys of this process, by its own settings."""
    return build_signing_keys(load_settings())


def build_signing_keys(settings: Settings) -> SigningKeys:
    """Raises SettingMissing when the settings name no key, two kinds of keys, or a weak one, and
    when the keys of an issuer come without the audience that tells its clients apart."""
    url = settings.jwt_jwks_url
    _ = settings.jwt_audiences
    return KeySet(url, settings.tls()) if url else SharedSecret(settings.jwt_secret)


def _usable(published: Any) -> jwt.PyJWK | None:
    """None for a key that cannot verify a token here; the log says which and why."""
    try:
        key = jwt.PyJWK(published)
        fault = _fault(key)
    except (jwt.PyJWTError, AttributeError, KeyError, TypeError):
        fault = "It is of a kind that is not known here."
    if fault is None:
        return key
    key_id = published.get("kid") if isinstance(published, dict) else None
    logger.warning("signing_key_left_out", key_id=key_id, reason=fault)
    return None


def _fault(key: jwt.PyJWK) -> str | None:
    if key.key_id is None:
        return "It has no kid."
    if key.algorithm_name not in PUBLIC_KEY_ALGORITHMS or key.public_key_use not in ("sig", None):
        return "It is not for signatures by RS256 or ES256."
    if not isinstance(key.key, RSAPublicKey | EllipticCurvePublicKey):
        return "It is no public key."
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_KEY_BITS:
        return f"It has {key.key.key_size} bits; RSA keys need {MIN_RSA_KEY_BITS}."
    return None
