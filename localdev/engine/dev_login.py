"""Development tokens: a key of the data folder's own signs for one demo user.

The API makes requests of this machine that carry no token in the name of that user.
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
    """Return the JWT_SECRET of this data folder; made at the first start, mode 0600."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(48))
    return file.read_text()


def demo_token_maker(secret: str) -> Callable[[], str]:
    """Make HS256 tokens with the claims of a Supabase session, as far as the API reads them."""

    def sign() -> str:
        now = int(time.time())
        claims = {"sub": DEMO_USER, "role": "authenticated", "iat": now, "exp": now + TOKEN_LIFE_S}
        return jwt.encode(claims, secret, algorithm="HS256")

    return sign


def is_demo_user_request(request: Request) -> bool:
    """Return whether dev login takes the request, which the API's guard has let through, for the
    demo user's: that of a program or a page of this machine."""
    origin = request.headers.get("origin")
    return request.client in LOOPBACK and (origin is None or _is_loopback(origin))


def _is_loopback(url: str) -> bool:
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:
        return False
