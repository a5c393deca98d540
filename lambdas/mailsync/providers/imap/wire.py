"""Read the socket of an IMAP connection within limits on time and memory.

imaplib reads lines of at most 1,000,000 bytes, literals of any size, and waits for ever on a server
that sends a byte a minute. It also ends a connection at responses in lower case and at blank lines.
"""

import io
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from imaplib import IMAP4, Commands
from typing import Any

READ_TIMEOUT_S = 30.0
"""The longest time in seconds for which the server may send nothing during a command."""
COMMAND_TIMEOUT_S, MIN_BYTES_PER_S = 60.0, 50_000
"""The time limit of a command in seconds. It grows by one second per MIN_BYTES_PER_S bytes that the
server sends."""
MAX_LINE_BYTES = 16 * 2**20
"""The size limit of one line. A response to SEARCH is one line: the limit has room for 1,500,000
UIDs."""
MAX_RESPONSE_BYTES = 64 * 2**20
"""The size limit of one literal, and of all responses to one command together."""
MAX_GREETING_BYTES = 2**20
"""The size limit of the greeting: of everything that the server sends before the first command."""
_BYTES_PER_LINE = 100  # what a line in memory costs beside its content
_READ_BYTES = 64 * 1024
_STATES_BY_COMMAND = {**Commands, "ID": ("NONAUTH", "AUTH", "SELECTED")}
"""The states of a connection in which a command is possible; imaplib lacks ID (RFC 2971)."""
_STATUS = frozenset({"OK", "NO", "BAD", "BYE", "PREAUTH"})
_UNTAGGED = re.compile(rb"\* +(?:(\d{1,10}) +)?([A-Za-z][\w.-]*+) ?(.*)", re.DOTALL)
_CODE = re.compile(rb"\[([\w-]++) ?([^\]]*)\]")
_LITERAL = re.compile(rb"~?\{(\d{1,20})\+?\}\Z")


def quote_string(text: bytes) -> bytes:
    """Return the text as a quoted string (RFC 3501, section 4.3). The caller makes sure that the
    text contains no CR and no LF."""
    return b'"' + re.sub(rb'([\\"])', rb"\\\1", text) + b'"'


class ResponseTooLongError(IMAP4.abort):
    """Error: a response of the server exceeds a size limit. The connection can no longer be
    used."""


class ResponseMemoryExceeded(IMAP4.abort):
    """Error: the Lambda function has no memory left for a literal, because other mailboxes use the
    memory. The connection can no longer be used."""


class _TimedSocket(io.RawIOBase):
    """Reads from a socket until a deadline. The deadline moves by one second for each
    MIN_BYTES_PER_S bytes that are received."""

    def __init__(self, connected: socket.socket, limit_bytes: int) -> None:
        self._socket = connected
        self.begin_command(limit_bytes)

    def begin_command(self, limit_bytes: int, timeout_s: float | None = None) -> None:
        """Start the deadline and the size limit for the responses to the next command anew.

        timeout_s: seconds until the deadline. None: COMMAND_TIMEOUT_S.
        """
        self._deadline = time.monotonic() + (timeout_s or COMMAND_TIMEOUT_S)
        self._left_bytes = limit_bytes
        self._socket.settimeout(READ_TIMEOUT_S)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        """Receive bytes. Raises TimeoutError and ResponseTooLongError."""
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("The server sends too slowly.")
        if left_s < READ_TIMEOUT_S:
            self._socket.settimeout(left_s)
        count = self._socket.recv_into(buffer)
        self._deadline += count / MIN_BYTES_PER_S
        self.count(count)
        return count

    def count(self, size: int) -> None:
        """Subtract `size` from the bytes that the responses to the command may still have. Raises
        ResponseTooLongError."""
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise ResponseTooLongError("The server sends too much in response to one command.")


class SizeLimitedImap(IMAP4):
    """An imaplib connection over a connected socket, with limits on time and size. It accepts
    responses that imaplib rejects: names in any case, blank lines and unknown responses.

    reserve: function that is called with the size of each literal before the literal is read. It
        returns False if there is no memory for the literal.
    command_timeout_s: seconds for each command. None: COMMAND_TIMEOUT_S.
    """

    command_timeout_s: float | None = None
    literal: Any
    tagged_commands: Any
    untagged_responses: Any
    continuation_response: Any

    def __init__(
        self, host: str, port: int, connected: socket.socket, reserve: Callable[[int], bool]
    ) -> None:
        self._connected = connected
        self._reserve = reserve
        self._read_from(connected, MAX_GREETING_BYTES)
        super().__init__(host, port)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Use the connected socket; called by imaplib."""
        self.host, self.port, self.sock = host, port, self._connected

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> Any:
        """Switch the connection to TLS. Everything that the server sent before is dropped, because
        an attacker could have sent it."""
        typ, data = self._simple_command("STARTTLS")
        if typ != "OK" or ssl_context is None:
            raise self.error("The server does not begin TLS.")
        self.sock = ssl_context.wrap_socket(self.sock, server_hostname=self.host)
        self._read_from(self.sock, MAX_GREETING_BYTES)
        self.untagged_responses.clear()
        self._tls_established = True
        self._get_capabilities()
        return typ, data

    def _get_capabilities(self) -> None:
        """Take the capabilities from the greeting, which saves a round trip. After STARTTLS, or if
        the greeting names none, request them from the server."""
        listed = self.untagged_responses.pop("CAPABILITY", None)
        if listed and not self._tls_established:
            self.capabilities = tuple(listed[-1].decode("ascii", "replace").upper().split())
        else:
            super()._get_capabilities()  # type: ignore[misc]

    def disconnect_by_force(self) -> None:
        """Break off the connection while another thread reads from it; the read then fails.

        This shuts down the plain socket. `SSLSocket.shutdown` would also remove the TLS state,
        which the other thread is using.
        """
        with suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def shutdown(self) -> None:
        """Close the socket, without LOGOUT."""
        self._reader.close()
        self.sock.close()

    def read(self, size: int) -> bytes:
        """Read the bytes of an IMAP literal (RFC 9051, section 4.3)."""
        if size > MAX_RESPONSE_BYTES:
            raise ResponseTooLongError(f"The server announces {size:,} bytes.")
        if not self._reserve(size):
            raise ResponseMemoryExceeded("There is no memory for a message.")
        content = self._reader.read(size)
        if len(content) < size:
            raise self.abort("The server ended the connection within a literal.")
        return content

    def readline(self) -> bytes:
        """Read one line of a response, of at most MAX_LINE_BYTES."""
        line = self._reader.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            if len(line) < MAX_LINE_BYTES:
                raise self.abort("The server ended the connection.")
            raise ResponseTooLongError("The server sends a line without an end.")
        self._raw.count(_BYTES_PER_LINE)
        return line

    def _read_from(self, connected: socket.socket, limit_bytes: int) -> None:
        self._raw = _TimedSocket(connected, limit_bytes)
        self._reader = io.BufferedReader(self._raw, _READ_BYTES)

    def reset_response_limits(self) -> None:
        """Reset the limits on time (`command_timeout_s`) and size (MAX_RESPONSE_BYTES) for the
        responses to the next command."""
        self._raw.begin_command(MAX_RESPONSE_BYTES, self.command_timeout_s)

    def _new_tag(self) -> bytes:
        self.reset_response_limits()
        return super()._new_tag()  # type: ignore[misc,no-any-return]

    def _command(self, name: str, *arguments: str | bytes) -> bytes:
        """Send a command with its arguments as they are; return its tag.

        Patch releases of Python after July 2026 quote arguments by themselves (python/cpython
        #152703), which would change lists, searches and base64.

        Raises:
            IMAP4.error: the command is not possible in this state.
        """
        literator, self.literal = self.literal, None
        if self.state not in _STATES_BY_COMMAND[name]:
            raise self.error(f"{name} is not possible now.")
        for status in ("OK", "NO", "BAD"):
            self.untagged_responses.pop(status, None)
        tag = self._new_tag()
        words = (each.encode("ascii") if isinstance(each, str) else each for each in arguments)
        self._send_line(b" ".join([tag, name.encode("ascii"), *words]))
        while literator and not self.tagged_commands[tag]:
            if self._get_response() is None:
                self._send_line(literator(self.continuation_response))
        return tag

    def _send_line(self, line: bytes) -> None:
        try:
            self.send(line + b"\r\n")
        except OSError as failure:
            raise self.abort(f"The connection broke: {type(failure).__name__}.") from failure

    def _get_response(self, *_timeout: object) -> bytes | None:
        """Read a response into `tagged_commands` or `untagged_responses`. None: the server waits
        for the rest of the command."""
        line = self.readline().rstrip(b"\r\n")
        tag, _, words = line.partition(b" ")
        if tag in self.tagged_commands:
            name, _, text = words.lstrip().partition(b" ")
            status = name.decode("latin-1").upper()
            self._add_code(text)
            self.tagged_commands[tag] = (status, [text])
        elif untagged := _UNTAGGED.match(line):
            self._add_untagged(untagged)
        elif tag == b"+":
            self.continuation_response = words
            return None
        elif line:
            raise self.abort("The server does not answer as an IMAP server.")
        return line or b"\r\n"

    def _add_untagged(self, response: re.Match[bytes]) -> None:
        number, text = response[1], response[3]
        typ = response[2].decode("latin-1").upper()
        if typ in _STATUS:
            self._append_untagged(typ, text)
            self._add_code(text)
            return
        text = text if number is None else number + (b" " + text if text else b"")
        while literal := _LITERAL.search(text):
            content = self.read(int(literal[1]))
            self._append_untagged(typ, (text, content))
            text = self.readline().rstrip(b"\r\n")
        self._append_untagged(typ, text)

    def _add_code(self, text: bytes) -> None:
        if code := _CODE.match(text):
            name = code[1].decode("latin-1").upper()
            self._append_untagged(name, code[2])
