"""Run the simulated Graph, Gmail, identity platforms and IMAP server on their ports, with the same
mailboxes."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Self

from localdev.guard import RequestGuard
from localdev.http_server import Request, Response, Server
from localdev.simulators.control import CONTROL_PATH_PREFIX, ControlApiHandler
from localdev.simulators.entra.certificates import open_server_tls_context
from localdev.simulators.entra.server import (
    CLIENT_ID,
    CLIENT_SECRET,
    EntraServer,
    is_path_opened_in_browser,
)
from localdev.simulators.entra.tokens import GRAPH_AUDIENCE, TokenSigner
from localdev.simulators.gmail.server import GmailServer
from localdev.simulators.gmail.tokens import AccessTokenPermissions
from localdev.simulators.google import server as google_server
from localdev.simulators.google.consents import AccessTokenRefusedError
from localdev.simulators.google.server import (
    GOOGLE_CLIENT_ID,
    GOOGLE_CLIENT_SECRET,
    GoogleIdentityServer,
)
from localdev.simulators.graph.notifications import Notifier
from localdev.simulators.graph.server import VERSION_PATH_PREFIX, GraphServer
from localdev.simulators.imap.server import ImapServer
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.service import SharedSimulatorState

_DELEGATED_SCOPE = "Mail.ReadWrite User.Read"


@dataclass(frozen=True, slots=True)
class SimulatedImapServerSettings:
    """The settings of the simulated IMAP server.

    tls_port: port for TLS connections. 0: any free port.
    starttls_port: port for connections that begin with STARTTLS. 0: any free port.
    password: the password of the mailboxes. None: a random password, stored at the first start.
    """

    tls_port: int = 0
    starttls_port: int = 0
    password: str | None = None


class Simulators:
    """The servers of the simulated Graph, Gmail, identity platforms of Microsoft and Google, and
    IMAP server, running from `start` to `stop`; also a context manager. Port 0 means any free port.

    host: loopback host in the simulators' links, 127.0.0.1 or localhost.
    client_secret: secret of the app registration. None: a random secret, stored at the first start.
    control_secret: secret of the control API `/_sim/`. None: a random secret, stored at the first
        start.
    imap_ports: ports and password of the simulated IMAP server. None: no IMAP server runs.

    Raises:
        OSError: a port is in use.
    """

    def __init__(
        self,
        data: Path,
        *,
        graph_port: int = 0,
        entra_port: int = 0,
        gmail_port: int = 0,
        google_port: int = 0,
        host: str = "127.0.0.1",
        client_id: str = CLIENT_ID,
        client_secret: str | None = CLIENT_SECRET,
        control_secret: str | None = None,
        imap_ports: SimulatedImapServerSettings | None = None,
    ) -> None:
        self.service = SharedSimulatorState(data)
        self._host = host
        self._client_id = client_id
        self.control_secret = control_secret or self._own_secret("control")
        self.client_secret = client_secret or self._own_secret("client")
        self._signer = TokenSigner(self.service.database)
        tls, self.ca_bundle = open_server_tls_context(data)
        self.graph = GraphServer(self.service, self._signer)
        self.entra = EntraServer(
            self.service, self._signer, client_id=client_id, client_secret=self.client_secret
        )
        self.google = GoogleIdentityServer(
            self.service, client_id=GOOGLE_CLIENT_ID, client_secret=GOOGLE_CLIENT_SECRET
        )
        self.gmail = self._open_gmail()
        self._gmail_server = Server(self.gmail, port=gmail_port)
        self.notifier = Notifier(self.service)
        self.imap = self._imap_server(imap_ports, tls) if imap_ports else None
        self._control = ControlApiHandler(
            self.service,
            self.entra,
            self.google,
            self.notifier,
            self.imap,
            gmail=self.gmail,
            secret=self.control_secret,
        )
        self._graph_server = Server(self._dispatch, port=graph_port)
        pages = _guard_of_sign_in(is_path_opened_in_browser)
        self._entra_server = Server(self.entra, port=entra_port, tls=tls, guard=pages)
        google_pages = _guard_of_sign_in(google_server.is_path_opened_in_browser)
        self._google_server = Server(self.google, port=google_port, tls=tls, guard=google_pages)
        self.google.base_url = f"https://{host}:{self._google_server.port}"
        self.graph.base_url = f"{self.graph_http_origin}{VERSION_PATH_PREFIX}"
        self.entra.graph_http_origin = self.graph_http_origin
        self.entra.base_url = f"https://{host}:{self._entra_server.port}"

    @property
    def graph_http_origin(self) -> str:
        return f"http://{self._host}:{self._graph_server.port}"

    @property
    def graph_url(self) -> str:
        return self.graph.base_url

    @property
    def gmail_url(self) -> str:
        """Return the root of the Gmail API, without a path."""
        return f"http://{self._host}:{self._gmail_server.port}"

    @property
    def control_url(self) -> str:
        return self.graph_http_origin + CONTROL_PATH_PREFIX.rstrip("/")

    @property
    def control_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.control_secret}"}

    @property
    def entra_authority_url(self) -> str:
        return f"{self.entra.base_url}/organizations"

    def find_or_create_mailbox(self, address: str, display_name: str = "") -> Mailbox:
        return self.service.find_or_create_mailbox(
            address, display_name or address.partition("@")[0].title()
        )

    def issue_microsoft_access_token(
        self,
        mailbox: Mailbox,
        *,
        scope: str = _DELEGATED_SCOPE,
        audience: str = GRAPH_AUDIENCE,
        lifetime_s: int = 3600,
    ) -> str:
        """Return a Microsoft access token of the mailbox's user without a sign-in, for tests."""
        claims = {"aud": audience, "appid": self._client_id, "scp": scope}
        return self._signer.sign_token({**claims, "oid": mailbox.user_id}, lifetime_s=lifetime_s)

    def start(self) -> Self:
        self._graph_server.start()
        self._entra_server.start()
        self._gmail_server.start()
        self._google_server.start()
        self.notifier.start()
        self.gmail.pusher.start()
        if self.imap:
            self.imap.start()
        return self

    def stop(self) -> None:
        if self.imap:
            self.imap.stop()
        self.gmail.pusher.stop()
        self.notifier.stop()
        self._graph_server.stop()
        self._entra_server.stop()
        self._gmail_server.stop()
        self._google_server.stop()
        self.service.database.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _imap_server(self, ports: SimulatedImapServerSettings, tls: ssl.SSLContext) -> ImapServer:
        password = ports.password or self._own_secret("imap password")
        return ImapServer(
            self.service,
            self._signer,
            tls=tls,
            password=password,
            port=ports.tls_port,
            starttls_port=ports.starttls_port,
        )

    def _open_gmail(self) -> GmailServer:
        gmail = GmailServer(self.service)
        gmail.check_token = self._check_google_token
        gmail.pusher.sign_push_token = self.google.push_tokens.sign
        return gmail

    def _check_google_token(self, token: str) -> AccessTokenPermissions | None:
        try:
            bearer = self.google.verify_access_token(token)
        except AccessTokenRefusedError:
            return None
        return AccessTokenPermissions(bearer.user_id, bearer.scopes)

    def _own_secret(self, name: str) -> str:
        return self.service.database.read_or_create_secret(
            name, lambda: token_urlsafe(32).encode()
        ).decode()

    def _dispatch(self, request: Request) -> Response:
        if request.path.startswith(CONTROL_PATH_PREFIX):
            return self._control(request)
        return self.graph(request)


def _guard_of_sign_in(is_browser_path: Callable[[str], bool]) -> RequestGuard:
    """Return a guard that accepts links and redirects of any site to the sign-in page, and the form
    that the sign-in page sends."""
    return RequestGuard(
        accepts_requests_of_served_pages=True, accepts_navigation_to_path=is_path_opened_in_browser
    )
