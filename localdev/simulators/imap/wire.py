"""Read commands from, and write responses to, the socket of an IMAP client."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from io import BufferedReader

from localdev.simulators.imap.command import (
    BadCommand,
    Command,
    find_announced_literal,
    parse_command,
    parse_tag,
)
from localdev.simulators.imap.options import MAX_LINE_BYTES

INACTIVITY_TIMEOUT_S = 1800
_FLUSH_BYTES = 256 * 1024


class ConnectionClosed(Exception):
    """The client closed the connection, or the server has to close the connection."""


class ClientConnection:
    """The connection to one client. Written lines are buffered until `flush`.

    max_literal_bytes: largest total size of a command's literals. The limit is small until the
        client has logged in.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.connection.settimeout(INACTIVITY_TIMEOUT_S)
        self._reader: BufferedReader = connection.makefile("rb")
        self._pending = bytearray()
        self.max_literal_bytes = MAX_LINE_BYTES

    @property
    def is_encrypted(self) -> bool:
        return isinstance(self.connection, ssl.SSLSocket)

    def switch_to_tls(self, context: ssl.SSLContext) -> None:
        """Switch the connection to TLS. Bytes that the client sent before the handshake are dropped
        (RFC 3501, section 6.2.1)."""
        self.flush()
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self._reader = self.connection.makefile("rb")

    def read_command(self) -> Command:
        """Read the next command with its literals.

        Raises:
            BadCommand: the command is malformed or too long. The exception's `args[1]` is the tag
                of the command. The connection stays usable.
            ConnectionClosed: the client closed the connection, sent nothing for 30 minutes, or sent
                a line or literal that is too long to skip.
        """
        line, literals, size = b"", list[bytes](), 0
        while True:
            part = self.read_line()
            line += part
            announced = find_announced_literal(part)
            if announced is None:
                break
            size += announced.byte_count
            if size > self.max_literal_bytes or len(line) > MAX_LINE_BYTES:
                if not announced.is_synchronizing:
                    raise ConnectionClosed
                raise BadCommand("[TOOBIG] The literal is too long.", parse_tag(line))
            if announced.is_synchronizing:
                self.write_line(b"+ OK")
                self.flush()
            literals.append(self._read(announced.byte_count))
        try:
            return parse_command(line, literals)
        except BadCommand as bad:
            raise BadCommand(str(bad), parse_tag(line)) from None

    def read_line(self) -> bytes:
        """Return the next line without its line break.

        Raises:
            ConnectionClosed: the connection was closed, the client sent nothing for 30 minutes, or
                the line is too long.
        """
        with self._failures():
            line = self._reader.readline(MAX_LINE_BYTES + 2)
        if not line.endswith(b"\n"):
            raise ConnectionClosed
        return line.removesuffix(b"\n").removesuffix(b"\r")

    def write_line(self, line: bytes) -> None:
        self._pending += line + b"\r\n"
        if len(self._pending) > _FLUSH_BYTES:
            self.flush()

    def send_partial_line(self, part: bytes) -> None:
        """Send the beginning of a line at once, without a line break. The caller then closes the
        connection, to inject a fault that cuts a response."""
        self._pending += part
        self.flush()

    def flush(self) -> None:
        content, self._pending = bytes(self._pending), bytearray()
        if content:
            with self._failures():
                self.connection.sendall(content)

    def shut_down_socket(self) -> None:
        """Shut the connection down. If another thread is reading from the connection, its call then
        raises ConnectionClosed."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.shut_down_socket()
        with contextlib.suppress(OSError):
            self._reader.close()
            self.connection.close()

    def _read(self, size: int) -> bytes:
        with self._failures():
            content = self._reader.read(size)
        if len(content) < size:
            raise ConnectionClosed
        return content

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):
            raise ConnectionClosed from None
