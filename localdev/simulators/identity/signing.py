"""Sign JSON Web Tokens with an RSA key that the data folder keeps across restarts."""

import time
from secrets import token_urlsafe
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from localdev.simulators.database import SimulatorDatabase


class SigningKey:
    """The RSA key of one identity platform.

    secret_name: name under which the database keeps the key.
    key_id: the key's id (`kid`) in the platform's key set.
    """

    def __init__(self, database: SimulatorDatabase, secret_name: str, key_id: str) -> None:
        stored = database.read_or_create_secret(secret_name, _new_key)
        key = serialization.load_pem_private_key(stored, password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key = key
        self._key_id = key_id

    @property
    def public_key(self) -> rsa.RSAPublicKey:
        return self._key.public_key()

    def sign_token(
        self, claims: dict[str, Any], *, lifetime_s: int, now: float | None = None
    ) -> str:
        """Return a signed token with the claims. The token also has `iat` (now) and `exp` (after
        `lifetime_s`), unless `claims` contains other values for them.

        now: present time in seconds since 1970. None: the time of this machine.
        """
        issued_at = int(time.time() if now is None else now)
        times = {"iat": issued_at, "exp": issued_at + lifetime_s}
        headers = {"kid": self._key_id}
        return jwt.encode({**times, **claims}, self._key, algorithm="RS256", headers=headers)

    def public_jwk(self) -> dict[str, Any]:
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.public_key, as_dict=True)
        return {**jwk, "kid": self._key_id, "use": "sig"}


def make_random_claim_value() -> str:
    """Return a random value for a claim. It makes two tokens differ even if they were signed in the
    same second."""
    return token_urlsafe(16)


def _new_key() -> bytes:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
