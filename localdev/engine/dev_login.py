"""Development tokens: a key of the data folder's own signs for one demo user.

Requests of this machine that bear no token are made in his name, but not those that a page of
another site has a browser send.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import jwt

from localdev.http_server import Request
from localdev.private_files import write_private

DEMO_USER = "demo-user"
TOKEN_LIFE_S = 8 * 3600
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def open_secret(file: Path) -> str:
    """The JWT_SECRET of this data folder; made at the first start, mode 0600."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(48))
    return file.read_text()


def demo_sign_in(secret: str) -> Callable[[], str]:
    """Makes HS256 tokens with the claims of a Supabase session, as far as the API reads them."""

    def sign() -> str:
        now = int(time.time())
        claims = {"sub": DEMO_USER, "role": "authenticated", "iat": now, "exp": now + TOKEN_LIFE_S}
        return jwt.encode(claims, secret, algorithm="HS256")

    return sign


def is_signed_in(request: Request) -> bool:
    """Whether a program or page of this machine asks, under one of this machine's own names.

    Another host name is DNS rebinding: a page of that name could read the answer.
    """
    headers = request.headers
    origin = headers.get("origin")
    names = [f"//{headers.get('host', '')}", *([origin] if origin else [])]
    if request.client not in LOOPBACK or not all(_is_loopback(each) for each in names):
        return False
    return headers.get("sec-fetch-site") != "cross-site" or _opens_a_page(request)


def _opens_a_page(request: Request) -> bool:
    """Whether a whole window goes to the page: the other site sees nothing of it, and it is the
    last step of a sign-in that came back from the mail provider. As cookies with SameSite=Lax."""
    headers = request.headers
    way = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    return request.method == "GET" and way == ("navigate", "document")


def _is_loopback(url: str) -> bool:
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:
        return False
