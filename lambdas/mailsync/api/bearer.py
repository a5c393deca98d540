"""Verify the application's JWT (RFC 7519), which requests carry as a bearer token."""

from dataclasses import dataclass
from typing import Any

import jwt

from mailsync.api.signing_keys import JwtVerificationKeys
from mailsync.log import logger
from mailsync.model import is_storable_user_id
from mailsync.settings import Settings

MAX_JWT_CHARS = 8192
"""Maximum length of an accepted token. API Gateway limits all headers of a request together to
10,240 bytes."""
CLOCK_LEEWAY_S = 30
"""Seconds by which the clocks of the token's issuer and of Mailsync may differ when `exp`, `nbf`
and `iat` are checked."""
ADMIN_CLAIM_NAME = "mailsync_admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """The user whom a valid token names.

    user_id: the claim `sub`.
    is_admin: whether the token declares the user an administrator of the application.
    """

    user_id: str
    is_admin: bool


def verify_bearer_token(
    authorization: str, settings: Settings, keys: JwtVerificationKeys
) -> Caller | None:
    """Verify the bearer token of an Authorization header and return the user whom the token names.
    Return None if the token is not valid.

    A valid token has a signature by one of `keys`, a `sub` of at most `MAX_USER_ID_CHARS` printable
    characters, and an `exp` in the future. Where the settings name audiences or an issuer, `aud`
    and `iss` must match.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.isascii() or len(token) > MAX_JWT_CHARS:
        return None
    try:
        claims = _claims(token, settings, keys)
    except jwt.PyJWTError as error:
        # Only the name of the error: its text may quote the token.
        logger.info("token_refused", reason=type(error).__name__)
        return None
    if not is_storable_user_id(claims["sub"]):
        logger.info("token_refused", reason="SubjectNotStorable")
        return None
    return Caller(claims["sub"], _is_admin(claims))


def _claims(token: str, settings: Settings, keys: JwtVerificationKeys) -> dict[str, Any]:
    """Verify the token and return its claims.

    Raises jwt.PyJWTError when the signature or a claim is not valid.
    """
    key = keys.find_key_for_jwt(jwt.get_unverified_header(token).get("kid"))
    if key is None:
        raise jwt.InvalidKeyError("no such key")
    return jwt.decode(
        token,
        key,
        algorithms=keys.accepted_jwt_algorithms,
        audience=settings.jwt_audiences or None,
        issuer=settings.jwt_issuer,
        leeway=CLOCK_LEEWAY_S,
        options={"require": ["exp", "sub"], "verify_aud": bool(settings.jwt_audiences)},
    )


def _is_admin(claims: dict[str, Any]) -> bool:
    """Return whether `ADMIN_CLAIM_NAME` is true at the top level of the claims or in
    `app_metadata`.

    On Supabase only servers can write `app_metadata`; users can write `user_metadata`.
    """
    metadata = claims.get("app_metadata")
    candidates = [claims, metadata if isinstance(metadata, dict) else {}]
    return any(each.get(ADMIN_CLAIM_NAME) is True for each in candidates)
