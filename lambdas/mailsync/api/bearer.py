"""The application's JWT (RFC 7519): who it names, if it can be believed."""

import jwt

from mailsync.settings import Settings

ALGORITHMS = ["HS256"]
"""Never taken from the token: one that says `none`, or names another key type, is refused."""


def user_of(authorization: str, settings: Settings) -> str | None:
    """The `sub` of the bearer token in an Authorization header; None when it is no good.

    The token must bear `sub` and an `exp` to come, and the audience and issuer of the settings
    where those are set.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        claims = jwt.decode(
            token.strip(),
            settings.jwt_secret,
            algorithms=ALGORITHMS,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            options={"require": ["exp", "sub"], "verify_aud": settings.jwt_audience is not None},
        )
    except jwt.InvalidTokenError:
        return None
    return str(claims["sub"]) or None
