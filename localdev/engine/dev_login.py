"""Development login: if a request comes from this machine and has no token, the API treats it as a
request of the demo user.

Tokens of the demo user are signed with a secret in the data folder.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import jwt

from localdev.http_server import Request
from localdev.private_files import write_private_file

DEMO_USER_ID = "demo-user"
DEV_TOKEN_LIFETIME_S = 8 * 3600
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def read_or_create_jwt_secret(file: Path) -> str:
    """Return the JWT_SECRET in `file`; create the file at the first start, with mode 0600."""
    if not file.exists():
        write_private_file(file, secrets.token_urlsafe(48))
    return file.read_text()


def make_demo_user_token_function(secret: str) -> Callable[[], str]:
    """Return a function that makes a new HS256 token of the demo user at each call.

    The tokens have those claims of a Supabase session that the API reads.
    """

    def sign() -> str:
        now = int(time.time())
        claims = {
            "sub": DEMO_USER_ID,
            "role": "authenticated",
            "iat": now,
            "exp": now + DEV_TOKEN_LIFETIME_S,
        }
        return jwt.encode(claims, secret, algorithm="HS256")

    return sign


def is_request_of_local_program_or_page(request: Request) -> bool:
    """Return whether the API may treat a request without a token as a request of the demo user.

    True if a program or a page of this machine sent the request. The API's guard has already
    rejected requests with forged hosts and requests from pages of other sites.
    """
    origin = request.headers.get("origin")
    return request.client_address in LOOPBACK_HOSTS and (origin is None or _is_loopback(origin))


def _is_loopback(url: str) -> bool:
    try:
        return urlsplit(url).hostname in LOOPBACK_HOSTS
    except ValueError:
        return False
