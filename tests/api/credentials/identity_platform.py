"""An identity platform over TLS that answers what a test scripts; real msal talks to it."""

import base64
import datetime
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from localdev.http_server import Application, Request, Response, Server

CLIENT_ID = "client-1"
LOOPBACK = "127.0.0.1"


class IdentityPlatform:
    """`refusal` is the body of a 400, `status` another answer, `headers` come with either;
    `response` is the answer to everything; `redeemed` is what was asked. `metadata` replaces what
    the platform says of itself; `moved_to` is an address that it redirects every request to, with
    `status`."""

    def __init__(self, folder: Path) -> None:
        self.ca_bundle = folder / "ca.pem"
        self.refusal: dict[str, Any] | None = None
        self.response: Response | None = None
        self.status = 200
        self.headers: dict[str, str] = {}
        self.metadata: dict[str, str] = {}
        self.moved_to: str | None = None
        self.nonce = ""
        self.expires_in: Any = 3600
        self.scope = "https://graph.microsoft.com/Mail.Read User.Read"
        self.redeemed: list[dict[str, str]] = []
        tls = self_signed(self.ca_bundle, folder / "key.pem")
        self._server = _TlsServer(self._answer, tls).start()
        self.authority = f"https://{LOOPBACK}:{self._server.port}/common"

    def stop(self) -> None:
        self._server.stop()

    def _answer(self, request: Request) -> Response:
        if self.response:
            return self.response
        if self.moved_to:
            return Response(self.status, b"", {"Location": self.moved_to})
        if request.path.endswith("/openid-configuration"):
            return _json(
                {
                    "issuer": self.authority,
                    "authorization_endpoint": f"{self.authority}/authorize",
                    "token_endpoint": f"{self.authority}/token",
                    **self.metadata,
                }
            )
        self.redeemed.append(
            {name: value[0] for name, value in parse_qs(request.body.decode()).items()}
        )
        if self.status != 200:
            return Response(self.status, b"Too Many Requests", self.headers)
        if self.refusal:
            return Response(400, json.dumps(self.refusal).encode(), self.headers)
        return _json(self._tokens())

    def _tokens(self) -> dict[str, Any]:
        number = len(self.redeemed)
        claims: dict[str, Any] = {
            "aud": CLIENT_ID,
            "sub": "s",
            "iss": self.authority,
            "nonce": self.nonce,
        }
        claims |= {"preferred_username": "ann@example.org", "exp": 9999999999, "iat": 1}
        return {
            "token_type": "Bearer",
            "scope": self.scope,
            "expires_in": self.expires_in,
            "access_token": f"access-{number}",
            "refresh_token": f"refresh-{number}",
            "id_token": ".".join((_encoded({"alg": "none"}), _encoded(claims), "")),
            "client_info": _encoded({"uid": "ann", "utid": "tenant"}),
        }


class _TlsServer(Server):
    def __init__(self, application: Application, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(application, port=0)

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        connection, client = super().get_request()
        encrypted = self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        return encrypted, client


def _json(body: Any) -> Response:
    return Response(200, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def self_signed(certificate_path: Path, key_path: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "identity platform")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_path, key_path)
    return context
