"""The HTTP server of the API, the Runtime API, the dashboard and the simulators' HTTP ports.

HTTP/1.1 with keep-alive, one thread per connection, and without Nagle's delay. We use no framework,
because frameworks hide two things that we need: closing a connection in the middle of a response
(an injected fault), and noticing when a client has disconnected.
"""

import json
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from errno import EADDRINUSE
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection, socket
from typing import Any
from urllib.parse import urlsplit

from localdev.guard import PROGRAMS_ONLY_GUARD, RequestGuard


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    path: path of the URL, still percent-encoded.
    query_string: raw text after the `?`.
    client_address: IP address of the client.
    """

    method: str
    path: str
    query_string: str
    headers: Message
    body: bytes
    client_address: str


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response.

    close_after_body_bytes: close the connection after so many bytes of the body. Negative: close it
        without any response. None: send the whole body, and keep the connection.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    close_after_body_bytes: int | None = None


RequestHandlerFunction = Callable[[Request], Response]


def require_free_port(port: int) -> None:
    """Raise OSError if a program listens on this port of `localhost`. Port 0 is always free.

    A server can listen on 127.0.0.1 even if another program listens on ::1, as development servers
    of web pages do, and on macOS even if another program listens on all addresses. Clients that
    connect to `localhost` would then reach the other program.
    """
    for host in ("127.0.0.1", "::1") if port else ():
        try:
            create_connection((host, port), timeout=1).close()
        except OSError:
            continue
        raise OSError(EADDRINUSE, f"a program listens on {host}")


class Server(ThreadingHTTPServer):
    """An HTTP server that passes its requests to one application, from `start` until `stop`. `port`
    is the actual port, also if port 0 (any free port) was requested.

    guard: decides which requests reach the application. The default guard rejects the requests of
        browsers. None: all requests reach the application.

    Raises:
        OSError: the port is in use (at construction).
    """

    daemon_threads = True
    request_queue_size = 512

    def __init__(
        self,
        application: RequestHandlerFunction,
        *,
        port: int,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        guard: RequestGuard | None = PROGRAMS_ONLY_GUARD,
    ) -> None:
        self.application = application
        self.guard = guard
        self.tls = tls
        require_free_port(port)
        super().__init__((host, port), _Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> "Server":
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()

    def get_request(self) -> tuple[socket, Any]:
        connection, address = super().get_request()
        if self.tls:
            # The handshake waits for the connection's own thread: a slow one must not block others.
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the traceback of an error, unless the client has disconnected."""
        if not isinstance(sys.exception(), (ConnectionError, ssl.SSLError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing, because a URL can contain addresses and tokens."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=url.path,
            query_string=url.query,
            headers=self.headers,
            body=self._body(),
            client_address=self.client_address[0],
        )
        self._send(self._rejection(request) or self.server.application(request))

    def _rejection(self, request: Request) -> Response | None:
        guard, port = self.server.guard, self.server.port
        sentence = guard and guard.rejection_reason(
            request.method, request.path, request.headers, port=port
        )
        if not sentence:
            return None
        body = json.dumps({"message": sentence}).encode()
        return Response(403, body, {"Content-Type": "application/json"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, response: Response) -> None:
        if response.close_after_body_bytes is not None and response.close_after_body_bytes < 0:
            self.close_connection = True
            return
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        for cookie in response.cookies:
            self.send_header("Set-Cookie", cookie)
        if not (response.status in (204, 304) or response.status < 200):
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body[: response.close_after_body_bytes])
        if response.close_after_body_bytes is not None:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815
    do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815
