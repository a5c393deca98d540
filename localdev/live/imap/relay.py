"""Relay the IMAP connections of Mailsync to a mail server, read-only, and record the responses.

The relay makes a password for Mailsync. When Mailsync logs in, the relay logs in to the mail
server with the user's password. So Mailsync does not store the user's password. The relay
rejects commands that would write.
"""

import re
import socket
import ssl
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import IO, Self

from localdev.live.imap.words import build_response_document, redact_command
from localdev.live.kit import LiveComparisonFailed
from localdev.live.record import ExchangeToRecord, Recorder
from localdev.simulators.entra.certificates import open_server_tls_context
from mailsync.providers.imap.address import STARTTLS_PORT
from mailsync.providers.imap.responses import ImaplibUntaggedResponse

UPSTREAM_TIMEOUT_S = 60
RELAY_USER_NAME = "mailbox"
"""User name with which Mailsync logs in to the relay."""
_WITH_LABELS = "labels"
_MAX_LINE_BYTES = 16 * 2**20
_LITERAL = re.compile(rb"\{(\d{1,12})\+?\}\r?\n\Z")
_READING = frozenset(
    (
        *("CAPABILITY", "NOOP", "ID", "ENABLE", "NAMESPACE", "LIST", "STATUS", "EXAMINE"),
        *("SEARCH", "FETCH", "CLOSE", "UNSELECT", "LOGOUT"),
    )
)
_MARKS_AS_READ = re.compile(rb"BODY\[|BINARY\[|RFC822(?!\.SIZE|\.HEADER)")
_STATUS = {"OK": 200, "NO": 400, "BAD": 500}
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
ERROR_PROBE_COMMANDS = (
    'EXAMINE "no folder of this name"',
    "UID FETCH 1 (NOTHING)",
    'STATUS "no folder of this name" (MESSAGES)',
    "NOTHING",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapUpstream:
    """A mail server to which the relay connects, and the user's login at this server. The
    connection begins with TLS; on port 143 it begins without TLS and changes to TLS by STARTTLS.

    tls_context: TLS context with which the relay verifies the server.
    """

    host: str
    port: int
    tls_context: ssl.SSLContext
    user_name: str
    password: str


class ImapRelay:
    """The relay between Mailsync and mail servers: one listening port for each mail server.
    Implements `ProviderRelayInterface`; a context manager."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._context, self.ca_file = open_server_tls_context(folder)
        self._listeners: dict[str, tuple[socket.socket, ImapUpstream, Recorder]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for listener, _upstream, _recorder in self._listeners.values():
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    @property
    def http_base_url_or_empty(self) -> str:
        return ""

    @property
    def lambda_environment_variables(self) -> dict[str, str]:
        """Return the environment variables with which the functions reach the mail servers through
        the relay."""
        servers = ",".join(f"localhost:{relay_port_of_token(each)}" for each in self._listeners)
        return {"IMAP_SERVERS": servers, "CA_BUNDLE": str(self.ca_file)}

    def add_upstream_and_make_relay_token(self, upstream: ImapUpstream, recorder: Recorder) -> str:
        """Let the relay reach a further mail server. Return the relay's password for this server.

        The password contains the relay's port for this server, and whether the server has Gmail's
        extensions.
        """
        listener = socket.create_server(("127.0.0.1", 0))
        way = _WITH_LABELS if _has_labels(upstream, recorder) else "folders"
        token = f"{listener.getsockname()[1]}-{way}-{token_urlsafe(32)}"
        self._listeners[token] = listener, upstream, recorder
        threading.Thread(target=self._accept, args=(token,), daemon=True).start()
        return token

    def send_error_provoking_requests(self, token: str) -> None:
        """Send commands that the mail server rejects, and record the responses.

        token: the relay's password for the server.
        """
        _, upstream, recorder = self._listeners[token]
        with suppress(OSError), UpstreamConnection(upstream, recorder) as server:
            server.log_in()
            for number, command in enumerate(ERROR_PROBE_COMMANDS):
                server.send_command(f"p{number} {command}\r\n".encode())

    def _accept(self, token: str) -> None:
        listener, upstream, recorder = self._listeners[token]
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                thread = threading.Thread(
                    target=self._serve, args=(connection, token, upstream, recorder), daemon=True
                )
                thread.start()

    def _serve(
        self, connection: socket.socket, token: str, upstream: ImapUpstream, recorder: Recorder
    ) -> None:
        with suppress(OSError, LiveComparisonFailed), connection:
            client = self._context.wrap_socket(connection, server_side=True)
            with client, UpstreamConnection(upstream, recorder) as server:
                _relay(client, server, token)


class UpstreamConnection:
    """A connection to the mail server after its greeting; a context manager.

    Raises:
        OSError: the server cannot be reached, or the connection broke.
    """

    def __init__(self, upstream: ImapUpstream, recorder: Recorder) -> None:
        self._upstream, self._recorder = upstream, recorder
        connected = socket.create_connection(
            (upstream.host, upstream.port), timeout=UPSTREAM_TIMEOUT_S
        )
        begins_with_tls = upstream.port != STARTTLS_PORT
        if begins_with_tls:
            connected = upstream.tls_context.wrap_socket(connected, server_hostname=upstream.host)
        self._server = connected
        self._lines: IO[bytes] = connected.makefile("rb")
        began = time.monotonic()
        self.greeting = self._read_line(self._lines)
        self._record("GREETING", [], b"x OK " + self.greeting.partition(b"OK ")[2], began)
        if not begins_with_tls:
            self.send_command(b"s STARTTLS\r\n")
            self._server = upstream.tls_context.wrap_socket(
                connected, server_hostname=upstream.host
            )
            self._lines = self._server.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._server.close()

    def log_in(self) -> bytes:
        """Log in with the user's password; return the server's responses. The tagged response has
        the tag `l`."""
        user, password = self._upstream.user_name, self._upstream.password
        if _PRINTABLE.fullmatch(user + password):
            quoted = (re.sub(r'(["\\])', r"\\\1", each) for each in (user, password))
            return self.send_command('l LOGIN "{}" "{}"\r\n'.format(*quoted).encode())
        response = b64encode(f"\0{user}\0{password}".encode())
        return self.send_command(b"l AUTHENTICATE PLAIN\r\n", response + b"\r\n")

    def send_command(
        self, line: bytes, continuation: bytes = b"", client: ssl.SSLSocket | None = None
    ) -> bytes:
        """Send a command to the server, and record the responses.

        line: the command with its tag.
        continuation: line to send when the server asks for the continuation of the command.
        client: connection to which the responses are passed on as they arrive; the method then
            returns b"". None: the method returns the responses.
        """
        tag, _, command = line.strip().partition(b" ")
        self._server.sendall(line)
        began = time.monotonic()
        untagged: list[ImaplibUntaggedResponse] = []
        received: list[bytes] = []

        def take(content: bytes) -> None:
            client.sendall(content) if client else received.append(content)

        while True:
            records = self._read_response(take)
            first = records[0] if isinstance(records[0], bytes) else records[0][0]
            if first.startswith(tag + b" "):
                break
            if first.startswith(b"+"):
                self._server.sendall(continuation or b"\r\n")
            elif first.startswith(b"* "):
                untagged.append(_without_star(records))
                if first.startswith(b"* BYE") and not command.upper().startswith(b"LOGOUT"):
                    break
        self._record(redact_command(command.decode("latin-1")), untagged, first, began)
        return b"".join(received)

    def _read_response(self, take: Callable[[bytes], object]) -> ImaplibUntaggedResponse:
        """Read one response of the server; return it in the form of imaplib, but with the size of a
        literal, as text, in place of the literal's contents.

        take: function that gets the bytes of the response as they arrive, except a continuation
            request.
        """
        records: list[bytes | tuple[bytes, bytes]] = []
        while True:
            line = self._read_line(self._lines)
            if not line.startswith(b"+"):
                take(line)
            literal = _LITERAL.search(line)
            if literal is None:
                records.append(line.rstrip(b"\r\n"))
                return records
            records.append((line.rstrip(b"\r\n"), literal[1]))
            left = int(literal[1])
            while left:
                content = self._lines.read(min(left, 2**16))
                if not content:
                    raise ConnectionError
                take(content)
                left -= len(content)

    def _read_line(self, lines: IO[bytes]) -> bytes:
        line = lines.readline(_MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise ConnectionError
        return line

    def _record(
        self, kind: str, untagged: list[ImaplibUntaggedResponse], tagged: bytes, began: float
    ) -> None:
        status, _, text = tagged.partition(b" ")[2].decode("latin-1").partition(" ")
        self._recorder.add_exchange(
            ExchangeToRecord(
                request_kind=kind,
                http_status=_STATUS.get(status.upper(), 0),
                parsed_response_body=build_response_document(untagged, f"{status} {text}"),
                duration_s=time.monotonic() - began,
            )
        )


def relay_port_of_token(token: str) -> int:
    """Return the relay's port for connections with this password."""
    return int(token.partition("-")[0])


def _relay(client: ssl.SSLSocket, server: UpstreamConnection, token: str) -> None:
    """Pass on commands that only read, until the client or the server disconnects."""
    lines = client.makefile("rb")
    client.sendall(server.greeting)
    while (line := lines.readline(_MAX_LINE_BYTES)).endswith(b"\n"):
        tag, _, command = line.strip().partition(b" ")
        verb, _, arguments = command.partition(b" ")
        if verb.upper() in (b"LOGIN", b"AUTHENTICATE"):
            if not _has_token(arguments, token, client, lines):
                client.sendall(
                    tag + b" NO [AUTHENTICATIONFAILED] Not the password of the relay.\r\n"
                )
                continue
            responses = server.log_in()
            client.sendall(re.sub(rb"(?m)^l (?=OK|NO|BAD)", tag + b" ", responses))
        elif _only_reads(command):
            server.send_command(line, client=client)
        else:
            client.sendall(tag + b" BAD The relay passes on commands that read.\r\n")


def _has_labels(upstream: ImapUpstream, recorder: Recorder) -> bool:
    """Return whether the server has Gmail's IMAP extensions. Return False also if the server does
    not respond now."""
    with suppress(OSError, LiveComparisonFailed), UpstreamConnection(upstream, recorder) as server:
        server.log_in()
        return b" X-GM-EXT-1" in server.send_command(b"c CAPABILITY\r\n")
    return False


def is_relay_token_of_gmail_server(token: str) -> bool:
    """Return whether the mail server behind this password of the relay has Gmail's IMAP
    extensions."""
    return token.split("-")[1] == _WITH_LABELS


def _has_token(arguments: bytes, token: str, client: ssl.SSLSocket, lines: IO[bytes]) -> bool:
    """Return whether a login has the relay's user name and password."""
    if arguments == f'"{RELAY_USER_NAME}" "{token}"'.encode():
        return True
    mechanism, _, response = arguments.partition(b" ")
    if mechanism.upper() != b"PLAIN":
        return False
    if not response:
        client.sendall(b"+ \r\n")
        response = lines.readline(_MAX_LINE_BYTES)
    with suppress(ValueError):
        return b64decode(response) == f"\0{RELAY_USER_NAME}\0{token}".encode()
    return False


def _only_reads(command: bytes) -> bool:
    """Return whether a command changes nothing on the server, not even flags or subscriptions.
    Return False for an unknown command and for a command that ends with a literal."""
    words = command.upper().split()
    verb = words[1] if words[:1] == [b"UID"] and len(words) > 1 else words[0] if words else b""
    marks_as_read = _MARKS_AS_READ.search(command.upper())
    is_whole = not _LITERAL.search(command + b"\r\n")
    return verb.decode("latin-1") in _READING and not marks_as_read and is_whole


def _without_star(records: ImaplibUntaggedResponse) -> ImaplibUntaggedResponse:
    first, *others = records
    if isinstance(first, tuple):
        return [(first[0][2:], first[1]), *others]
    return [first[2:], *others]
