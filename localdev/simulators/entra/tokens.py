"""Sign access tokens for the simulated identity platform, and verify them for the
simulated Graph and IMAP.

Source: Microsoft identity platform docs, access-tokens and id-tokens.
"""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt

from localdev.simulators.database import SimulatorDatabase
from localdev.simulators.identity.signing import SigningKey, make_random_claim_value
from localdev.simulators.service import ORGANISATION_TENANT_ID

GRAPH_AUDIENCE = "https://graph.microsoft.com"
OUTLOOK_AUDIENCE = "https://outlook.office.com"
"""Audience of access tokens for IMAP. Graph rejects these tokens; IMAP rejects Graph's tokens."""
SIGNING_KEY_ID = "mailsync-simulator"
_KEPT_TOKENS = 64


class AccessTokenRefusedError(Exception):
    """An access token is not valid. The message is the sentence that Graph returns."""


@dataclass(frozen=True, slots=True)
class BearerClaims:
    """The verified claims of an access token.

    user_id: id of the signed-in user. None: the application acts without a user.
    scope_and_role_names: the token's scopes, or the app's roles.
    """

    user_id: str | None
    app_id: str
    scope_and_role_names: frozenset[str]

    def has_any_scope_or_role(self, *wanted: str) -> bool:
        """Return whether the token has at least one of the scopes or roles `wanted`."""
        return not self.scope_and_role_names.isdisjoint(wanted)


class TokenSigner:
    """Signs and verifies tokens with an RSA key that the data folder keeps across restarts."""

    def __init__(self, database: SimulatorDatabase) -> None:
        self._key = SigningKey(database, "token key", SIGNING_KEY_ID)
        # Each request of a batch bears the token of the batch.
        self._verified_claims = lru_cache(_KEPT_TOKENS)(self._verify)

    def sign_token(self, claims: dict[str, Any], *, lifetime_s: int) -> str:
        always = {
            "nbf": int(time.time()),
            "tid": ORGANISATION_TENANT_ID,
            "ver": "2.0",
            "uti": make_random_claim_value(),
        }
        return self._key.sign_token({**claims, **always}, lifetime_s=lifetime_s)

    def verify_token(self, token: str, *, audience: str = GRAPH_AUDIENCE) -> BearerClaims:
        """Verify an access token and return its claims. Raises AccessTokenRefusedError."""
        try:
            claims = self._verified_claims(token, audience)
            if claims["exp"] <= time.time():
                raise jwt.ExpiredSignatureError
        except jwt.PyJWTError as refusal:
            raise AccessTokenRefusedError(_sentence(token, refusal)) from refusal
        grants = frozenset([*claims.get("scp", "").split(), *claims.get("roles", [])])
        user_id = claims["oid"] if "scp" in claims else None
        return BearerClaims(user_id=user_id, app_id=claims["appid"], scope_and_role_names=grants)

    def _verify(self, token: str, audience: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token, self._key.public_key, algorithms=["RS256"], audience=audience
        )
        return claims

    def public_jwk(self) -> dict[str, Any]:
        return self._key.public_jwk()


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
