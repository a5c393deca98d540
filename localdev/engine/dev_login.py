"""Development tokens: a key of the data folder's own signs for one demo user."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import jwt

from localdev.engine.aws_resources import write_private

DEMO_USER = "demo-user"
TOKEN_LIFE_S = 8 * 3600


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
