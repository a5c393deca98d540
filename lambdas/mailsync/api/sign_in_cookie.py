"""Make and read the cookie that binds a sign-in to the browser that started it.

On https the cookie's name has the prefix `__Host-`. A browser accepts a cookie with this prefix
only from the host to which the cookie belongs. So another host of the same domain (evil.example.com
for api.example.com) cannot set the cookie (RFC 6265bis, 4.1.3.2). The API compares names byte by
byte, because some cookie parsers strip characters that such a host can put before the prefix.
"""

from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.problems import ApiError, Problem

COOKIE_NAME_WITHOUT_PREFIX = "mailsync_sign_in"

_SEVERAL = Problem(
    type_urn_suffix="sign-in-unknown",
    http_status=403,
    title="This sign-in is not known here",
    detail="The browser sent more than one sign-in cookie, so another site may have set one. No"
    " mailbox was connected; delete the cookies of this site and start again from the application.",
)


def make_sign_in_cookie(value: str, *, secure: bool, seconds: int) -> Cookie:
    """Return the sign-in cookie. It has SameSite=Lax, so that the browser sends it with the
    redirect from the provider's site.

    Args:
        value: the secret of the sign-in. An empty value with `seconds` 0 deletes the cookie.
        secure: whether the API is reached by https. Browsers reject `__Host-` on http.
        seconds: lifetime of the cookie.
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
    """Return the value of the request's sign-in cookie. Return an empty text if the request has no
    such cookie.

    Raises:
        ApiError: the request has several cookies with this name (403). A browser sends several only
            if another host or path has set one.
    """
    values = [value for name, value in _cookies(event) if name == _name(secure=secure)]
    if len(values) > 1:
        raise ApiError(_SEVERAL)
    return values[0] if values else ""


def _name(*, secure: bool) -> str:
    return f"__Host-{COOKIE_NAME_WITHOUT_PREFIX}" if secure else COOKIE_NAME_WITHOUT_PREFIX


def _cookies(event: APIGatewayProxyEventV2) -> list[tuple[str, str]]:
    pairs = [each.strip(" \t") for sent in event.cookies for each in sent.split(";")]
    return [(name, value) for name, _, value in (each.partition("=") for each in pairs)]
