"""Make and check the dashboard's access token.

Each start of the dashboard makes a new token. The URL that the dashboard prints contains the token,
as in Jupyter. The response to a request for the printed URL sets a cookie with the token and
redirects to the page without the token.

Only requests for data need the cookie. Requests for pages, which contain no data, do not need it. A
page that required the `SameSite=Strict` cookie could not be opened after a sign-in: the sign-in
page of another site redirects to the dashboard's page, and the browser sends no such cookie with
the redirected request. The browser does send the cookie when the opened page requests data.
"""

import hmac
from urllib.parse import parse_qsl, urlencode

from localdev.http_server import Request, Response

_PARAMETER = "token"


class DashboardToken:
    """The secret that a browser must send to read data from the dashboard.

    The URL that the dashboard prints contains the secret. The browser then keeps the secret in a
    cookie.

    secret: random text, new at each start of the dashboard.
    port: the dashboard's port. The port is part of the cookie's name, because browsers send a
        cookie to all ports of a host.
    """

    def __init__(self, secret: str, port: int) -> None:
        self._secret = secret
        self._cookie = f"mailsync_dashboard_{port}"

    @property
    def url_query_with_token(self) -> str:
        """Return the query string with the token, which ends the URL that the dashboard prints."""
        return f"?{_PARAMETER}={self._secret}"

    def redirect_that_sets_cookie(self, request: Request) -> Response | None:
        """Return a redirect that sets the cookie. Return None if the request's URL does not contain
        the right token."""
        parameters = parse_qsl(request.query_string, keep_blank_values=True)
        if request.method != "GET" or not self._is_right(dict(parameters).get(_PARAMETER, "")):
            return None
        rest = urlencode([each for each in parameters if each[0] != _PARAMETER])
        page = "/" + request.path.lstrip("/") + (f"?{rest}" if rest else "")
        cookie = f"{self._cookie}={self._secret}; Path=/; HttpOnly; SameSite=Strict"
        return Response(303, headers={"Location": page}, cookies=(cookie,))

    def is_sent_in_cookie(self, request: Request) -> bool:
        """Return whether a cookie of the request contains the token.

        This method does not use the standard library's parser of cookies. The parser stops at
        malformed cookies, which other servers on localhost may have set.
        """
        cookies = request.headers.get("Cookie") or ""
        pairs = (cookie.strip().partition("=") for cookie in cookies.split(";"))
        return any(name == self._cookie and self._is_right(value) for name, _, value in pairs)

    def _is_right(self, secret: str) -> bool:
        return hmac.compare_digest(secret.encode(), self._secret.encode())
