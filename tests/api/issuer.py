"""An issuer of the application's JWTs: a real HTTP server that publishes its keys as a JWKS."""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from localdev.http_server import Request, Response, Server

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def public_jwk(key: PrivateKey, **members: Any) -> dict[str, Any]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        described = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        described = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {"use": "sig", **described, **members}


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims(**changed: Any) -> dict[str, Any]:
    """Ann's, good for an hour; a claim of None is left out."""
    named = {"sub": "ann", "exp": int(time.time()) + 3600, **changed}
    return {name: value for name, value in named.items() if value is not None}


def bearer(key: Any, algorithm: str, *, kid: str | None = None, **changed: Any) -> str:
    headers = {"kid": kid} if kid else None
    return "Bearer " + jwt.encode(claims(**changed), key, algorithm=algorithm, headers=headers)


def hs256(secret: bytes, kid: str, **changed: Any) -> str:
    """Sign by hand: no library signs with a public key."""
    parts = ({"alg": "HS256", "typ": "JWT", "kid": kid}, claims(**changed))
    head = b".".join(_encoded(json.dumps(part).encode()) for part in parts)
    return f"Bearer {(head + b'.' + _encoded(hmac.digest(secret, head, hashlib.sha256))).decode()}"


def _encoded(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


class Issuer:
    """Publishes `published`, or `body` with `status` instead; counts requests."""

    def __init__(self) -> None:
        self.published: list[Any] = []
        self.status = 200
        self.body: bytes | None = None
        self.delay_s = 0.0
        self.requests = 0
        self._server = Server(self._respond, port=0)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}/.well-known/jwks.json"

    def publish(self, key: PrivateKey, kid: str, **members: Any) -> None:
        self.published.append(public_jwk(key, kid=kid, **members))

    def _respond(self, request: Request) -> Response:
        self.requests += 1
        time.sleep(self.delay_s)
        body = json.dumps({"keys": self.published}).encode() if self.body is None else self.body
        return Response(self.status, body, {"Content-Type": "application/json"})
