"""The token of one start of the dashboard, which its printed URL carries, as Jupyter's does.

That URL sets a cookie and redirects to the same page without the token. Only data needs the
cookie. Pages hold none, and a sign-in that comes back from another site must be able to open one:
a browser sends a cookie with `SameSite=Strict` only with what the page then fetches.
"""

import hmac
from urllib.parse import parse_qsl, urlencode

from localdev.http_server import Request, Response

_PARAMETER = "token"


class StartToken:
    """port: of the dashboard; it stands in the cookie's name, because cookies ignore ports."""

    def __init__(self, secret: str, port: int) -> None:
        self._secret = secret
        self._cookie = f"mailsync_dashboard_{port}"

    @property
    def query(self) -> str:
        """The end of the printed URL."""
        return f"?{_PARAMETER}={self._secret}"

    def login_redirect(self, request: Request) -> Response | None:
        """Return the redirect for a URL with the right token, None for any other."""
        parameters = parse_qsl(request.query, keep_blank_values=True)
        if request.method != "GET" or not self._is_right(dict(parameters).get(_PARAMETER, "")):
            return None
        rest = urlencode([each for each in parameters if each[0] != _PARAMETER])
        page = "/" + request.path.lstrip("/") + (f"?{rest}" if rest else "")
        cookie = f"{self._cookie}={self._secret}; Path=/; HttpOnly; SameSite=Strict"
        return Response(303, headers={"Location": page}, cookies=(cookie,))

    def is_presented_by(self, request: Request) -> bool:
        """Return whether the request carries the cookie.

        Other servers of localhost may have set malformed cookies, at which the standard library's
        parser stops.
        """
        cookies = request.headers.get("Cookie") or ""
        pairs = (cookie.strip().partition("=") for cookie in cookies.split(";"))
        return any(name == self._cookie and self._is_right(value) for name, _, value in pairs)

    def _is_right(self, secret: str) -> bool:
        return hmac.compare_digest(secret.encode(), self._secret.encode())
