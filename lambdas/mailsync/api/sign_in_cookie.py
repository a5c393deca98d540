"""The cookie that binds a sign-in to the browser that began it.

On https its name begins with `__Host-`: browsers take such a cookie from its own host alone, so a
sibling host (evil.example.com beside api.example.com) cannot set it (RFC 6265bis, 4.1.3.2). Names
are compared byte by byte, because some parsers strip what a sibling can put before the prefix.
"""

from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.problems import ApiError, Problem

COOKIE_NAME = "mailsync_sign_in"

_SEVERAL = Problem(
    kind="sign-in-unknown",
    status=403,
    title="This sign-in is not known here",
    detail="The browser sent more than one cookie of a sign-in, so another site may have set one;"
    " nothing was connected. Delete this site's cookies and start again from the application.",
)


def make_sign_in_cookie(value: str, *, secure: bool, seconds: int) -> Cookie:
    """Make the cookie; `secure` says whether the API is reached by https.

    Browsers refuse `__Host-` on http://localhost. Lax, because the provider sends the browser back
    by a navigation from its own site.
    """
    return Cookie(
        _name(secure=secure),
        value,
        path="/" if secure else "/api/auth",
        secure=secure,
        http_only=True,
        max_age=seconds,
        same_site=SameSite.LAX_MODE,
    )


def read_sign_in_cookie(event: APIGatewayProxyEventV2, *, secure: bool) -> str:
    """Return the cookie's value, "" if there is none.

    Raises:
        ApiError: there are two of that name (403): a browser keeps one, unless another host or
            path has set the second.
    """
    values = [value for name, value in _cookies(event) if name == _name(secure=secure)]
    if len(values) > 1:
        raise ApiError(_SEVERAL)
    return values[0] if values else ""


def _name(*, secure: bool) -> str:
    return f"__Host-{COOKIE_NAME}" if secure else COOKIE_NAME


def _cookies(event: APIGatewayProxyEventV2) -> list[tuple[str, str]]:
    pairs = [each.strip(" \t") for sent in event.cookies for each in sent.split(";")]
    return [(name, value) for name, _, value in (each.partition("=") for each in pairs)]
