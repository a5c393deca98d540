"""Serve the simulated mailboxes over IMAP: one port with TLS, one with STARTTLS."""

import hmac
import ssl
import sys
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from itertools import count
from socket import IPPROTO_TCP, TCP_NODELAY, socket
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

from localdev.simulators.entra.tokens import OUTLOOK_AUDIENCE, AccessTokenRefusedError, TokenSigner
from localdev.simulators.faults import Fault
from localdev.simulators.imap.command import Command
from localdev.simulators.imap.commands_folders import FOLDER_COMMAND_HANDLERS
from localdev.simulators.imap.commands_selected import SELECTED_COMMAND_HANDLERS
from localdev.simulators.imap.commands_session import (
    SESSION_COMMAND_HANDLERS,
    format_offered_capabilities,
)
from localdev.simulators.imap.fetch import FETCH_COMMAND_HANDLERS
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.imap.response import CommandRejectedError
from localdev.simulators.imap.runner import run_session
from localdev.simulators.imap.search import SEARCH_COMMAND_HANDLERS
from localdev.simulators.imap.session import CommandHandler, Session
from localdev.simulators.imap.wire import ClientConnection
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.service import SharedSimulatorState, UserNotFound

COMMAND_HANDLERS: dict[str, CommandHandler] = (
    SESSION_COMMAND_HANDLERS
    | FOLDER_COMMAND_HANDLERS
    | SELECTED_COMMAND_HANDLERS
    | FETCH_COMMAND_HANDLERS
    | SEARCH_COMMAND_HANDLERS
)
SCOPES_THAT_PERMIT_IMAP = (f"{OUTLOOK_AUDIENCE}/IMAP.AccessAsUser.All",)
MAX_RESPONSE_DELAY_S = 86_400.0
_KEPT = 100_000
_PRIVATE_VERBS = ("LOGIN", "AUTHENTICATE", "APPEND")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """A command that the server received.

    at: time of the response, in seconds of the monotonic clock.
    session: number of the connection.
    folder: name of the open folder. Empty: no folder was open.
    arguments: the arguments as sent. Empty for commands that contain passwords or mail.
    status: status of the response: OK, NO, BAD or BYE.
    """

    at: float
    session: int
    verb: str
    folder: str
    arguments: str
    status: str


class ImapServer:
    """The simulated IMAP server, running from `start` to `stop`. The class implements
    `ImapServerInterface`.

    password: the password of every mailbox.
    current_options: options of new connections.
    options_by_user_id: options of a user's connections after the login, by user id. Users who are
        not listed get `current_options`.
    certificate: file of the CA certificate with which clients verify the server.
    commands: the newest commands that the server received, oldest first.

    Raises:
        OSError: a port is in use.
    """

    def __init__(
        self,
        service: SharedSimulatorState,
        signer: TokenSigner,
        *,
        tls: ssl.SSLContext,
        password: str,
        port: int = 0,
        starttls_port: int = 0,
    ) -> None:
        self.password = password
        self.certificate = service.data / "ca.pem"
        self.current_options = ImapOptions()
        self.options_by_user_id: dict[str, ImapOptions] = {}
        self.commands: deque[CommandRecord] = deque(maxlen=_KEPT)
        self.service = service
        self._signer = signer
        self._tls = tls
        self._numbers = count(1)
        self._stopped = threading.Event()
        self._tls_listener = _Listener(self, port, tls)
        self._plain_listener = _Listener(self, starttls_port, None)

    @property
    def tls_port(self) -> int:
        return int(self._tls_listener.server_address[1])

    @property
    def starttls_port(self) -> int:
        return int(self._plain_listener.server_address[1])

    def start(self) -> None:
        self._tls_listener.start()
        self._plain_listener.start()

    def stop(self) -> None:
        """End all connections and close the ports."""
        self._stopped.set()
        self._tls_listener.stop()
        self._plain_listener.stop()

    def serve_connection(self, wire: ClientConnection) -> None:
        session = Session(next(self._numbers), wire, self)
        greeting = f"[CAPABILITY {format_offered_capabilities(session)}] Simulator ready."
        run_session(session, COMMAND_HANDLERS, greeting)

    def options_for_mailbox(self, mailbox: Mailbox | None) -> ImapOptions:
        """Return the server's options for a mailbox. None as `mailbox`: the client has not logged
        in."""
        default = self.current_options
        return self.options_by_user_id.get(mailbox.user_id, default) if mailbox else default

    def authenticate_by_password(self, user_name: str, password: str) -> Mailbox:
        """Return the mailbox of a user. Raises CommandRejectedError if the user name or password is
        wrong."""
        is_right = hmac.compare_digest(password.encode(), self.password.encode())
        try:
            mailbox = self.service.find_mailbox(user_name)
        except UserNotFound:
            is_right = False
        if not is_right:
            raise CommandRejectedError("Authentication failed.", "AUTHENTICATIONFAILED")
        return mailbox

    def authenticate_by_token(self, user_name: str, token: str) -> Mailbox:
        """Return the mailbox of a user. Raises CommandRejectedError if the user does not exist, or
        if the access token is not valid, is not the user's, or lacks the scope for IMAP."""
        try:
            claims = self._signer.verify_token(token, audience=OUTLOOK_AUDIENCE)
            mailbox = self.service.find_mailbox(user_name)
        except (AccessTokenRefusedError, UserNotFound):
            raise CommandRejectedError("AUTHENTICATE failed.", "AUTHENTICATIONFAILED") from None
        if claims.user_id != mailbox.user_id or not claims.has_any_scope_or_role(
            *SCOPES_THAT_PERMIT_IMAP
        ):
            raise CommandRejectedError("AUTHENTICATE failed.", "AUTHENTICATIONFAILED")
        return mailbox

    def switch_connection_to_tls(self, wire: ClientConnection) -> None:
        wire.switch_to_tls(self._tls)

    def take_fault_for_command(self, verb: str, target: str) -> Fault | None:
        return self.service.faults.take_fault_for_request(verb, target)

    def record_command(self, session: int, command: Command, folder: str, status: str) -> None:
        arguments = "" if command.verb in _PRIVATE_VERBS else command.arguments_text
        self.commands.append(
            CommandRecord(
                at=time.monotonic(),
                session=session,
                verb=command.verb,
                folder=folder,
                arguments=arguments,
                status=status,
            )
        )

    def commands_as_json(self) -> list[dict[str, Any]]:
        return [asdict(each) for each in self.commands.copy()]

    def sleep_unless_stopped(self, seconds: float) -> None:
        """Sleep for some seconds, at most a day. Return at once when the server stops."""
        if seconds > 0:
            self._stopped.wait(min(seconds, MAX_RESPONSE_DELAY_S))

    def compute_response_latency_s(self, bodies: int, others: int) -> float:
        return self.service.latency.compute_response_latency_s(full=bodies, lean=others)


class _Listener(ThreadingTCPServer):
    """Accepts connections on one loopback port.

    tls: the TLS context with which connections begin. None: connections begin without TLS.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, server: ImapServer, port: int, tls: ssl.SSLContext | None) -> None:
        self.server = server
        self.tls = tls
        self._open: set[ClientConnection] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Connection)
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self.shutdown()
        with self._lock:
            remaining = list(self._open)
        for wire in remaining:
            wire.shut_down_socket()
        self.server_close()

    def serve(self, connection: socket) -> None:
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True)
        wire = ClientConnection(connection)
        with self._lock:
            self._open.add(wire)
        try:
            self.server.serve_connection(wire)
        finally:
            with self._lock:
                self._open.discard(wire)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the traceback of an error, unless the client has disconnected."""
        if not isinstance(sys.exception(), (ConnectionError, ssl.SSLError, TimeoutError)):
            super().handle_error(request, client_address)


class _Connection(StreamRequestHandler):
    server: _Listener

    def handle(self) -> None:
        self.connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self.server.serve(self.connection)
