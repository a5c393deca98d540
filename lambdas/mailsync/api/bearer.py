"""The application's JWT (RFC 7519): who it names, if it can be believed."""

from dataclasses import dataclass
from typing import Any

import jwt

from mailsync.api.signing_keys import SigningKeys
from mailsync.log import logger
from mailsync.model import is_storable_name
from mailsync.settings import Settings

MAX_TOKEN_CHARS = 8192
"""Characters; an HTTP API takes 10,240 bytes for all headers together."""
CLOCK_LEEWAY_S = 30
"""By how much the clocks of issuer and verifier may differ: for `exp`, `nbf` and `iat`."""
ADMIN_CLAIM = "mailsync_admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """`is_admin`: the application calls this user an administrator."""

    user_id: str
    is_admin: bool


def verify_bearer_token(authorization: str, settings: Settings, keys: SigningKeys) -> Caller | None:
    """Whom the bearer token in an Authorization header names; None when it is no good.

    The token must bear `sub`, of at most `MAX_USER_ID_CHARS` printable characters, an `exp` to
    come, and one of the audiences and the issuer of the settings where those are set.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.isascii() or len(token) > MAX_TOKEN_CHARS:
        return None
    try:
        claims = _claims(token, settings, keys)
    except jwt.PyJWTError as error:
        # By its name only: the text may quote the token.
        logger.info("token_refused", reason=type(error).__name__)
        return None
    if not is_storable_name(claims["sub"]):
        logger.info("token_refused", reason="SubjectNotStorable")
        return None
    return Caller(claims["sub"], _is_admin(claims))


def _claims(token: str, settings: Settings, keys: SigningKeys) -> dict[str, Any]:
    """Raises jwt.PyJWTError when the token is not to be believed."""
    key = keys.named(jwt.get_unverified_header(token).get("kid"))
    if key is None:
        raise jwt.InvalidKeyError("no such key")
    return jwt.decode(
        token,
        key,
        algorithms=keys.algorithms,
        audience=settings.jwt_audiences or None,
        issuer=settings.jwt_issuer,
        leeway=CLOCK_LEEWAY_S,
        options={"require": ["exp", "sub"], "verify_aud": bool(settings.jwt_audiences)},
    )


def _is_admin(claims: dict[str, Any]) -> bool:
    """`app_metadata` is written by servers only, on Supabase; `user_metadata` by the user."""
    metadata = claims.get("app_metadata")
    places = [claims, metadata if isinstance(metadata, dict) else {}]
    return any(each.get(ADMIN_CLAIM) is True for each in places)
