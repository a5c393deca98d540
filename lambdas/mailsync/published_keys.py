"""Fetch the public keys that an issuer publishes as a JSON Web Key Set (RFC 7517)."""

import json
import math
import time
from collections.abc import Callable
from ssl import SSLContext
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mailsync.log import logger
from mailsync.response_body import (
    ACCEPT_ENCODING,
    MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL,
    UnreadableBody,
    read_body_or_none_if_too_large,
)

PUBLIC_KEY_ALGORITHMS = ("RS256", "ES256")
KEY_SET_FETCH_TIMEOUT_S = 3.0
KEY_SET_REFRESH_AFTER_S = 600.0
"""Age in seconds at which a fetched key set is fetched again."""
MAX_STALE_KEY_SET_AGE_S = 3600.0
"""Age in seconds up to which a fetched key set is used while the issuer is unavailable."""
MIN_KEY_SET_FETCH_INTERVAL_S = 30.0
"""Minimum time between two requests for the key set, so that tokens with invented key ids cannot
flood the issuer with requests."""
MIN_KEY_SET_FETCH_INTERVAL_IF_EMPTY_S = 5.0
"""Minimum time between two requests for the key set while no key is known."""
MIN_RSA_KEY_BITS = 2048


class PublishedKeySet:
    """The public keys of a JSON Web Key Set (RFC 7517), fetched on demand.

    A token that names an unknown key causes a fetch, at most every `MIN_KEY_SET_FETCH_INTERVAL_S`.
    A key that the issuer has withdrawn is dropped by the first fetch after
    `KEY_SET_REFRESH_AFTER_S`, or after `MAX_STALE_KEY_SET_AGE_S` if the issuer is unavailable.
    Unusable keys are skipped and logged.

    clock: returns the current time in seconds.
    """

    def __init__(
        self, url: str, tls: SSLContext, *, clock: Callable[[], float] = time.time
    ) -> None:
        # Wall time: Lambda freezes a function between two calls, and monotonic clocks with it.
        self._url = url
        self._tls = tls
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._requested_at = -math.inf

    @property
    def accepted_jwt_algorithms(self) -> tuple[str, ...]:
        return PUBLIC_KEY_ALGORITHMS

    @property
    def has_keys(self) -> bool:
        """Return whether any key is known. False: the key set was not fetched yet, contains no
        usable key, or was dropped because the issuer has been unavailable for too long."""
        return bool(self._keys)

    def find_key_for_jwt(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None:
            return None
        now = self._clock()
        if now - self._fetched_at > MAX_STALE_KEY_SET_AGE_S:
            self._keys = {}
        if self._is_due(key_id, now):
            self._fetch(now)
        return self._keys.get(key_id)

    def _is_due(self, key_id: str, now: float) -> bool:
        last_request_age_s = now - self._requested_at
        if not self._keys:
            return last_request_age_s >= MIN_KEY_SET_FETCH_INTERVAL_IF_EMPTY_S
        is_stale = key_id not in self._keys or now - self._fetched_at >= KEY_SET_REFRESH_AFTER_S
        return is_stale and last_request_age_s >= MIN_KEY_SET_FETCH_INTERVAL_S

    def _fetch(self, now: float) -> None:
        import httpx

        self._requested_at = now
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
        """Fetch the key set from its URL and return its keys, unparsed.

        Raises httpx.HTTPError when the issuer is unavailable, ValueError when the response is not a
        key set.
        """
        import httpx

        headers = {"Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING}
        client = httpx.Client(
            verify=self._tls,
            timeout=KEY_SET_FETCH_TIMEOUT_S,
            trust_env=False,
            follow_redirects=False,
        )
        with client as http, http.stream("GET", self._url, headers=headers) as response:
            encoding = response.raise_for_status().headers.get("Content-Encoding")
            body = read_body_or_none_if_too_large(
                response.iter_raw(), encoding, MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL
            )
        if body is None:
            raise ValueError("too large")
        document = json.loads(body)
        keys = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(keys, list):
            raise ValueError("no key set")
        return keys


def _usable(published: Any) -> jwt.PyJWK | None:
    """Parse one key of the key set and return it. None: Mailsync cannot verify tokens with it; the
    log has the reason."""
    try:
        key = jwt.PyJWK(published)
        fault = _fault(key)
    except (jwt.PyJWTError, AttributeError, KeyError, TypeError):
        fault = "The key has an unsupported type."
    if fault is None:
        return key
    key_id = published.get("kid") if isinstance(published, dict) else None
    logger.warning("signing_key_left_out", key_id=key_id, reason=fault)
    return None


def _fault(key: jwt.PyJWK) -> str | None:
    if key.key_id is None:
        return "The key has no kid."
    if key.algorithm_name not in PUBLIC_KEY_ALGORITHMS or key.public_key_use not in ("sig", None):
        return "The key is not meant for signatures by RS256 or ES256."
    if not isinstance(key.key, RSAPublicKey | EllipticCurvePublicKey):
        return "The key is not a public key."
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_KEY_BITS:
        return f"The RSA key has {key.key.key_size} bits; at least {MIN_RSA_KEY_BITS} are required."
    return None
