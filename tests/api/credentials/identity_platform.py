"""An identity platform over TLS that returns what a test scripts; real msal talks to it."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from localdev.http_server import Request, Response, Server
from localdev.simulators.entra.certificates import open_server_tls_context
from mailsync.settings import Settings

CLIENT_ID = "client-1"


class IdentityPlatform:
    """`refusal` is the body of a 400, `status` another status, `headers` come with either;
    `response` is the response to everything; `redeemed` are the forms received. `metadata` replaces
    members of the OpenID configuration. `app` are the settings of an app that signs in here. The
    certificates are kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        tls, self.ca_bundle = open_server_tls_context(folder)
        self.refusal: dict[str, Any] | None = None
        self.response: Response | None = None
        self.status = 200
        self.headers: dict[str, str] = {}
        self.metadata: dict[str, str] = {}
        self.nonce = ""
        self.expires_in: Any = 3600
        self.scope = "https://graph.microsoft.com/Mail.Read User.Read"
        self.redeemed: list[dict[str, str]] = []
        self._server = Server(self._respond, port=0, tls=tls).start()
        self.authority = f"https://127.0.0.1:{self._server.port}/common"
        self.app = Settings(
            {
                "MICROSOFT_AUTHORITY": self.authority,
                "MICROSOFT_CLIENT_ID": CLIENT_ID,
                "MICROSOFT_CLIENT_SECRET": "secret-1",
                "GRAPH_URL": self.authority,
                "GOOGLE_IDENTITY_URL": self.authority,
                "GOOGLE_CLIENT_ID": CLIENT_ID,
                "GOOGLE_CLIENT_SECRET": "secret-2",
                "CA_BUNDLE": str(self.ca_bundle),
            }
        )

    def stop(self) -> None:
        self._server.stop()

    def _respond(self, request: Request) -> Response:
        if self.response:
            return self.response
        if request.path.endswith("/openid-configuration"):
            return _json(
                {
                    "issuer": self.authority,
                    "authorization_endpoint": f"{self.authority}/authorize",
                    "token_endpoint": f"{self.authority}/token",
                    **self.metadata,
                }
            )
        form = parse_qs(request.body.decode())
        self.redeemed.append({name: values[0] for name, values in form.items()})
        if self.status != 200:
            return Response(self.status, b"Too Many Requests", self.headers)
        if self.refusal:
            return Response(400, json.dumps(self.refusal).encode(), self.headers)
        return _json(self._tokens())

    def _tokens(self) -> dict[str, Any]:
        number = len(self.redeemed)
        claims = {
            **{"aud": CLIENT_ID, "sub": "s", "iss": self.authority, "nonce": self.nonce},
            **{"preferred_username": "ann@example.org", "exp": 9999999999, "iat": 1},
        }
        return {
            "token_type": "Bearer",
            "scope": self.scope,
            "expires_in": self.expires_in,
            "access_token": f"access-{number}",
            "refresh_token": f"refresh-{number}",
            "id_token": ".".join((_encoded({"alg": "none"}), _encoded(claims), "")),
            "client_info": _encoded({"uid": "ann", "utid": "tenant"}),
        }


def _json(body: Any) -> Response:
    return Response(200, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
