"""Make and check the dashboard's access token.

The token is new at each start of the dashboard and part of the URL that the dashboard prints, as in
Jupyter. A request for the printed URL gets a cookie and a redirect to the same page without the
token. Only requests for data need the cookie. The pages contain no data and need no cookie: a
sign-in returns to a page from another site, and the browser sends a `SameSite=Strict` cookie then
only with the requests of that page.
"""

import hmac
from urllib.parse import parse_qsl, urlencode

from localdev.http_server import Request, Response

_PARAMETER = "token"


class DashboardToken:
    """The secret that a browser must send to read the dashboard; it is made anew at each start.

    The URL that the dashboard prints contains the secret, and the browser then keeps it in a
    cookie.

    port: the dashboard's port. It is part of the name of that cookie, because browsers send a
        cookie to all ports of a host.
    """

    def __init__(self, secret: str, port: int) -> None:
        self._secret = secret
        self._cookie = f"mailsync_dashboard_{port}"

    @property
    def url_query_with_token(self) -> str:
        """Return the query string that contains the token, for the end of the URL that the
        dashboard prints."""
        return f"?{_PARAMETER}={self._secret}"

    def redirect_that_sets_cookie(self, request: Request) -> Response | None:
        """Return the redirect that sets the cookie if the request's URL contains the right token,
        else None."""
        parameters = parse_qsl(request.query, keep_blank_values=True)
        if request.method != "GET" or not self._is_right(dict(parameters).get(_PARAMETER, "")):
            return None
        rest = urlencode([each for each in parameters if each[0] != _PARAMETER])
        page = "/" + request.path.lstrip("/") + (f"?{rest}" if rest else "")
        cookie = f"{self._cookie}={self._secret}; Path=/; HttpOnly; SameSite=Strict"
        return Response(303, headers={"Location": page}, cookies=(cookie,))

    def is_sent_in_cookie(self, request: Request) -> bool:
        """Return whether the request carries the token in its cookie.

        The cookie is found without the standard library's parser. That parser stops at malformed
        cookies, which other servers on localhost may have set.
        """
        cookies = request.headers.get("Cookie") or ""
        pairs = (cookie.strip().partition("=") for cookie in cookies.split(";"))
        return any(name == self._cookie and self._is_right(value) for name, _, value in pairs)

    def _is_right(self, secret: str) -> bool:
        return hmac.compare_digest(secret.encode(), self._secret.encode())
