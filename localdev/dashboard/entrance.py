"""The way in where a dashboard shows real mail: a secret of this start, in the address it prints.

The address sets a cookie and leads on to the same page without the secret, as Jupyter does. Pages
hold no data and need no cookie: a sign-in that comes back from another site opens one, and only
what the page then fetches bears a cookie with `SameSite=Strict`.
"""

import hmac
from urllib.parse import parse_qsl, urlencode

from localdev.http_server import Request, Response

_PARAMETER = "token"


class Entrance:
    """port: of the dashboard; cookies know no ports, so their names have it."""

    def __init__(self, secret: str, port: int) -> None:
        self._secret = secret
        self._cookie = f"mailsync_dashboard_{port}"

    @property
    def query(self) -> str:
        """What the printed address ends with."""
        return f"?{_PARAMETER}={self._secret}"

    def welcome(self, request: Request) -> Response | None:
        """The answer to an address with the right secret; None to any other."""
        asked = parse_qsl(request.query, keep_blank_values=True)
        if request.method != "GET" or not self._is_right(dict(asked).get(_PARAMETER, "")):
            return None
        rest = urlencode([each for each in asked if each[0] != _PARAMETER])
        page = "/" + request.path.lstrip("/") + (f"?{rest}" if rest else "")
        cookie = f"{self._cookie}={self._secret}; Path=/; HttpOnly; SameSite=Strict"
        return Response(303, headers={"Location": page}, cookies=(cookie,))

    def is_open_to(self, request: Request) -> bool:
        """Whether the request bears the cookie.

        What else localhost has set may be malformed, so no library's parser reads it.
        """
        pairs = (
            each.strip().partition("=") for each in (request.headers.get("Cookie") or "").split(";")
        )
        return any(name == self._cookie and self._is_right(value) for name, _, value in pairs)

    def _is_right(self, secret: str) -> bool:
        return hmac.compare_digest(secret.encode(), self._secret.encode())
