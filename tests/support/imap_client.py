"""An IMAP client over a bare socket: it sends any bytes, and shows every response."""

import re
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from imapclient.response_parser import parse_response

TIMEOUT_S = 20
_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")
_TAGGED = re.compile(r"(OK|NO|BAD)(?: \[([^\]]*)\])?", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """The responses to a command. status: OK, NO, BAD, or BYE if the server ended the connection.
    code: what stands in brackets after the status. untagged: as they arrived, without `* `."""

    status: str
    code: str
    untagged: list[bytes] = field(default_factory=list)

    def parsed(self) -> list[tuple[Any, ...]]:
        """Return the untagged responses as tuples: words and strings are bytes, lists tuples."""
        return [parse_words(each) for each in self.untagged]

    def of_kind(self, kind: str) -> list[tuple[Any, ...]]:
        name = kind.encode()
        return [each for each in self.parsed() if name in each[:2]]


class RawImap:
    """A connection after its greeting; also a context manager."""

    def __init__(self, port: int, certificate: Path | None) -> None:
        """certificate: verifies the server. None: the connection begins without TLS."""
        connection = socket.create_connection(("localhost", port), timeout=TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        if certificate:
            self.start_tls(certificate)
        else:
            self._reader = connection.makefile("rb")
        self._count = 0
        self.greeting = self.read_response()

    def start_tls(self, certificate: Path) -> None:
        context = ssl.create_default_context(cafile=certificate)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self._reader = self.socket.makefile("rb")

    def command(self, line: str | bytes, literals: Sequence[bytes] = ()) -> Answer:
        """Send a command; return its responses.

        literals: follow each `{}` of the line, which gets their sizes.
        """
        self._count += 1
        tag = b"T%d" % self._count
        content = line.encode() if isinstance(line, str) else line
        parts = content.split(b"{}") if literals else [content]
        self.send(tag + b" " + parts[0])
        for part, literal in zip(parts[1:], literals, strict=True):
            self.send(b"{%d}\r\n" % len(literal))
            first = self.read_response()
            if not first.startswith(b"+"):
                return self._answer(tag, first)
            self.send(literal + part)
        self.send(b"\r\n")
        return self._answer(tag, self.read_response())

    def login(self, user: str, password: str) -> None:
        answer = self.command(b"LOGIN {} {}", [user.encode(), password.encode()])
        assert answer.status == "OK", answer

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def read_response(self) -> bytes:
        """Return a response with its literals; b"" at the end of the connection."""
        response = b""
        with suppress(ConnectionError):
            while True:
                line = self._reader.readline()
                response += line
                literal = _LITERAL.search(line)
                if not literal:
                    break
                response += self._reader.read(int(literal[1]))
        return response.removesuffix(b"\r\n")

    def close(self) -> None:
        self._reader.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, tag: bytes, response: bytes) -> Answer:
        untagged = []
        while response.startswith(b"* "):
            untagged.append(response[2:])
            response = self.read_response()
        if not response.startswith(tag + b" "):
            return Answer("BYE", "", untagged)
        match = _TAGGED.match(response[len(tag) + 1 :].decode("utf-8", "replace"))
        assert match, response
        return Answer(match[1].upper(), match[2] or "", untagged)


def parse_words(response: bytes) -> tuple[Any, ...]:
    """Return the words of an untagged response; the text after a response code is left out."""
    if match := re.match(rb"(OK|NO|BAD|BYE|PREAUTH)(?: \[([^\]]*)\])?", response):
        return (match[1], parse_words(match[2]) if match[2] else b"")
    parts = re.split(rb"(\{\d+\}\r\n)", response, maxsplit=1)
    found: list[Any] = []
    rest = response
    while len(parts) == 3:
        size = int(parts[1][1:-3])
        found.append((parts[0] + parts[1][:-2], parts[2][:size]))
        rest = parts[2][size:]
        parts = re.split(rb"(\{\d+\}\r\n)", rest, maxsplit=1)
    found.append(rest)
    return tuple(parse_response(found))
