"""Provide the keys that verify the application's JWT: a shared secret, or the key set that the
JWT's issuer publishes.

The settings determine the accepted algorithms, never the token. With a published key set a token
signed with HS256 is rejected; with a shared secret a token signed with any other algorithm is
rejected (RFC 8725, 2.1 and 3.1).
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import jwt

from mailsync.published_keys import PublishedKeySet
from mailsync.settings import Settings, load_settings


class JwtVerificationKeys(Protocol):
    """Interface to the keys that verify the JWTs of one issuer."""

    @property
    def accepted_jwt_algorithms(self) -> tuple[str, ...]:
        """Return the signature algorithms that a JWT may name in its header `alg`."""
        ...

    def find_key_for_jwt(self, key_id: str | None) -> jwt.PyJWK | str | None:
        """Return the key for a JWT with this key id (header `kid`). Return None if no key has this
        id."""


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A shared secret for HS256. The secret is used for every token, whatever the token's key id
    (`kid`)."""

    hs256_secret: str = field(repr=False)

    @property
    def accepted_jwt_algorithms(self) -> tuple[str, ...]:
        return ("HS256",)

    def find_key_for_jwt(self, key_id: str | None) -> str:
        return self.hs256_secret


@cache
def get_cached_verification_keys() -> JwtVerificationKeys:
    """Return the keys that the settings of this process define. After the first call the process
    returns the same keys again."""
    return build_verification_keys(load_settings())


def build_verification_keys(settings: Settings) -> JwtVerificationKeys:
    """Return the keys that these settings define.

    Raises:
        SettingMissing: the settings define no key, both kinds of keys, or a weak secret. Or the
            settings define an issuer's key set without an audience. Without an audience, tokens
            that the issuer signed for other applications would be accepted.
    """
    url = settings.jwt_jwks_url
    _ = settings.jwt_audiences  # raises SettingMissing
    return (
        PublishedKeySet(url, settings.provider_tls_context())
        if url
        else SharedSecret(settings.jwt_secret)
    )
