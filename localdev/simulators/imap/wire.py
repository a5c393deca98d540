"""Read commands from, and write responses to, the socket of an IMAP client."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from io import BufferedReader

from localdev.simulators.imap.command import (
    BadCommand,
    Command,
    literal_at_end,
    parse_command,
    parse_tag,
)
from localdev.simulators.imap.options import MAX_LINE_BYTES

IDLE_TIMEOUT_S = 1800
_FLUSH_BYTES = 256 * 1024


class Disconnected(Exception):
    """The client closed the connection, or the server gives it up."""


class Wire:
    """The connection to one client. Writes are buffered until `flush`.

    max_literal_bytes: limit for the literals of a command; small until the client has logged in.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.connection.settimeout(IDLE_TIMEOUT_S)
        self._reader: BufferedReader = connection.makefile("rb")
        self._pending = bytearray()
        self.max_literal_bytes = MAX_LINE_BYTES

    @property
    def is_encrypted(self) -> bool:
        return isinstance(self.connection, ssl.SSLSocket)

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on over TLS. What the client sent before the handshake is dropped (RFC 3501,
        section 6.2.1)."""
        self.flush()
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self._reader = self.connection.makefile("rb")

    def read_command(self) -> Command:
        """Read the next command with its literals.

        Raises:
            BadCommand: it is malformed or too long; the next command can be read. `args[1]` is its
                tag.
            Disconnected: the client is gone, or sends a line that does not end.
        """
        line, literals, size = b"", list[bytes](), 0
        while True:
            part = self.read_line()
            line += part
            announced = literal_at_end(part)
            if announced is None:
                break
            size += announced.size
            if size > self.max_literal_bytes or len(line) > MAX_LINE_BYTES:
                if not announced.is_synchronizing:
                    raise Disconnected
                raise BadCommand("[TOOBIG] The literal is too long.", parse_tag(line))
            if announced.is_synchronizing:
                self.write_line(b"+ OK")
                self.flush()
            literals.append(self._read(announced.size))
        try:
            return parse_command(line, literals)
        except BadCommand as bad:
            raise BadCommand(str(bad), parse_tag(line)) from None

    def read_line(self) -> bytes:
        """Read a line without its end. Raises Disconnected."""
        with self._failures():
            line = self._reader.readline(MAX_LINE_BYTES + 2)
        if not line.endswith(b"\n"):
            raise Disconnected
        return line.removesuffix(b"\n").removesuffix(b"\r")

    def write_line(self, line: bytes) -> None:
        self._pending += line + b"\r\n"
        if len(self._pending) > _FLUSH_BYTES:
            self.flush()

    def write_cut(self, part: bytes) -> None:
        """Send a part of a line; the caller then closes the connection."""
        self._pending += part
        self.flush()

    def flush(self) -> None:
        content, self._pending = bytes(self._pending), bytearray()
        if content:
            with self._failures():
                self.connection.sendall(content)

    def interrupt(self) -> None:
        """End the connection, also for a thread that reads from it."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.interrupt()
        with contextlib.suppress(OSError):
            self._reader.close()
            self.connection.close()

    def _read(self, size: int) -> bytes:
        with self._failures():
            content = self._reader.read(size)
        if len(content) < size:
            raise Disconnected
        return content

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):
            raise Disconnected from None
