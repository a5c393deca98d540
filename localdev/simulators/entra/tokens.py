"""Sign access tokens for the simulated identity platform, and verify them for the
simulated Graph and IMAP.

Source: Microsoft identity platform docs, access-tokens and id-tokens.
"""

import time
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from localdev.simulators.database import SimulatorDatabase
from localdev.simulators.service import TENANT_ID

GRAPH_AUDIENCE = "https://graph.microsoft.com"
OUTLOOK_AUDIENCE = "https://outlook.office.com"
"""Audience of access tokens for IMAP; Graph does not accept them, nor IMAP those of Graph."""
SIGNING_KEY_ID = "mailsync-simulator"


class AccessTokenRefused(Exception):
    """Graph rejects an access token; the message is the sentence that Graph returns."""


@dataclass(frozen=True, slots=True)
class BearerClaims:
    """The verified claims of an access token.

    user_id: the signed-in user; None for an app without a user.
    scopes_or_roles: the token's scopes, or the app's roles.
    """

    user_id: str | None
    app_id: str
    scopes_or_roles: frozenset[str]

    def has_any_scope_or_role(self, *wanted: str) -> bool:
        """Return whether the token has at least one of the scopes or roles `wanted`."""
        return not self.scopes_or_roles.isdisjoint(wanted)


class TokenSigner:
    """Signs and verifies tokens with an RSA key that the data folder keeps across restarts."""

    def __init__(self, database: SimulatorDatabase) -> None:
        stored = database.read_or_create_secret("token key", _new_key)
        key = serialization.load_pem_private_key(stored, password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key = key

    def sign_token(self, claims: dict[str, Any], *, lifetime_s: int) -> str:
        now = int(time.time())
        times = {"iat": now, "nbf": now, "exp": now + lifetime_s}
        return jwt.encode(
            # `uti` makes each token another one, also within a second.
            {**claims, **times, "tid": TENANT_ID, "ver": "2.0", "uti": token_urlsafe(16)},
            self._key,
            algorithm="RS256",
            headers={"kid": SIGNING_KEY_ID},
        )

    def verify_token(self, token: str, *, audience: str = GRAPH_AUDIENCE) -> BearerClaims:
        """Verify an access token and return its claims. Raises AccessTokenRefused."""
        try:
            claims = jwt.decode(
                token, self._key.public_key(), algorithms=["RS256"], audience=audience
            )
        except jwt.PyJWTError as refusal:
            raise AccessTokenRefused(_sentence(token, refusal)) from refusal
        grants = frozenset([*claims.get("scp", "").split(), *claims.get("roles", [])])
        user_id = claims["oid"] if "scp" in claims else None
        return BearerClaims(user_id=user_id, app_id=claims["appid"], scopes_or_roles=grants)

    def public_jwk(self) -> dict[str, Any]:
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {**jwk, "kid": SIGNING_KEY_ID, "use": "sig"}


def _sentence(token: str, refusal: jwt.PyJWTError) -> str:
    if not token:
        return "Access token is empty."
    if token.count(".") != 2:
        return "IDX14100: JWT is not well formed, there are no dots (.)."
    if isinstance(refusal, jwt.ExpiredSignatureError):
        return "Lifetime validation failed, the token is expired."
    if isinstance(refusal, jwt.InvalidAudienceError):
        return "Access token validation failure. Invalid audience."
    return "Invalid access token: its signature could not be validated."


def _new_key() -> bytes:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
