"""An IMAP server that misbehaves as a script says, for the answers of real servers in the field.

Rules replace or change the answers to the commands that match them. All other commands go to a
simulated IMAP server behind, if there is one; so a script contains the misbehaviour alone.
"""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localdev.simulators.entra.certificates import open_server_tls_context
from localdev.simulators.imap.command import find_announced_literal
from tests.support.imap_client import RawImap

Edit = Callable[[list[bytes]], list[bytes]]
"""Changes the responses of the server behind: each without its CRLF, the tagged one last."""
End = Literal["cut", "silence", "flood", "drip"]
"""What the server does after a reply: it ends the connection, never sends anything more, or sends a
line that does not end, as fast as it can or a byte at a time."""
DRIP_PAUSE_S = 0.05
Reply = bytes | Edit | End
SEND_TIMEOUT_S = 10
_SHUTDOWN_POLL_S = 0.05


@dataclass(slots=True)
class Rule:
    """What happens to commands that match `pattern`, a regular expression that is searched in the
    command without its tag, such as `^UID FETCH 1:\\*`. `^GREETING$` matches the greeting.

    reply: bytes: sent as they are, with the command's tag for `{tag}`; after BYE the connection
        ends. A function: changes the responses of the server behind. An `End`: nothing is sent.
    then: what follows the reply. None: the next command.
    times: number of commands that the rule applies to. None: no limit.
    connection: number of the only connection that it applies to, from 1. None: all.
    """

    pattern: str
    reply: Reply
    times: int | None = 1
    then: End | None = None
    connection: int | None = None

    def applies(self, command: str, connection: int) -> bool:
        """Return whether the rule applies to the command, and count it."""
        if self.connection not in (None, connection) or self.times == 0:
            return False
        if not re.search(self.pattern, command, re.IGNORECASE):
            return False
        self.times = None if self.times is None else self.times - 1
        return True


class ScriptedImap:
    """A server on a loopback port with TLS, from `start` to `stop`.

    behind: port and certificate of the server that answers what no rule matches. None: such
        commands are answered with BAD.
    commands: the commands received, with the number of their connection.
    unexpected: those that nothing answered.
    """

    def __init__(
        self,
        folder: Path,
        *rules: Rule,
        behind: tuple[int, Path] | None = None,
        has_tls: bool = True,
    ) -> None:
        context, self.certificate = open_server_tls_context(folder)
        self.rules = list(rules)
        self.commands: list[tuple[int, str]] = []
        self.unexpected: list[str] = []
        self.behind = behind
        self._tls = context if has_tls else None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_SHUTDOWN_POLL_S)
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def connection_count(self) -> int:
        return len(self._threads) - 1

    def start(self) -> None:
        self._threads[0].start()

    def stop(self) -> None:
        self._stopped.set()
        for each in self._threads:
            each.join()
        self._listener.close()

    def rule_for(self, command: str, connection: int) -> Rule | None:
        return next((each for each in self.rules if each.applies(command, connection)), None)

    def wait_until_stopped(self, timeout_s: float | None = None) -> None:
        self._stopped.wait(timeout_s)

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                number = len(self._threads)
                thread = threading.Thread(target=self._serve, args=(connection, number))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError, EOFError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                _Conversation(self, connection, number).run()


class _Conversation:
    """One connection of a client."""

    def __init__(self, server: ScriptedImap, connection: socket.socket, number: int) -> None:
        self._server = server
        self._connection = connection
        self._connection.settimeout(_SHUTDOWN_POLL_S)
        self._number = number
        self._received = b""
        self._behind = RawImap(*server.behind) if server.behind else None

    def run(self) -> None:
        try:
            greeting = self._behind.greeting if self._behind else b"* OK Scripted."
            is_over = self._answer(b"", "GREETING", lambda: [greeting])
            while not is_over:
                is_over = self._serve_next()
        finally:
            if self._behind:
                self._behind.close()

    def _serve_next(self) -> bool:
        line, literals = self._read_command()
        tag, _, text = line.partition(b" ")
        command = text.decode("utf-8", "replace")
        self._server.commands.append((self._number, command))
        return self._answer(tag, command, lambda: self._forwarded(tag, line, literals))

    def _answer(self, tag: bytes, command: str, forwarded: Callable[[], list[bytes]]) -> bool:
        """Answer a command; return whether the connection ends."""
        rule = self._server.rule_for(command, self._number)
        if rule is None:
            responses = forwarded()
            self._send(b"".join(each + b"\r\n" for each in responses))
            return responses[-1].startswith(b"* BYE") or command.upper() == "LOGOUT"
        if isinstance(rule.reply, str):
            return self._end(rule.reply)
        if callable(rule.reply):
            content = b"".join(each + b"\r\n" for each in rule.reply(forwarded()))
        else:
            content = rule.reply.replace(b"{tag}", tag)
        self._send(content)
        return self._end(rule.then) if rule.then else content.startswith(b"* BYE")

    def _end(self, how: End) -> bool:
        """End the conversation; return True."""
        if how == "silence":
            self._server.wait_until_stopped()
        while how == "flood" and not self._server.is_stopped:
            self._send(b"x" * 65_536)
        while how == "drip" and not self._server.is_stopped:
            self._send(b"x")
            self._server.wait_until_stopped(DRIP_PAUSE_S)
        return True

    def _forwarded(self, tag: bytes, line: bytes, literals: Sequence[bytes]) -> list[bytes]:
        """Return the responses of the server behind, with continuations relayed meanwhile."""
        if self._behind is None:
            self._server.unexpected.append(line.decode("utf-8", "replace"))
            return [tag + b" BAD The script does not have this command."]
        remaining, responses = list(literals), list[bytes]()
        lines = re.split(rb"(?<=\})\r\n", line)
        self._behind.send(lines.pop(0) + b"\r\n")
        while not responses or not responses[-1].startswith(tag + b" "):
            response = self._behind.read_response()
            if not response:
                raise EOFError
            if not response.startswith(b"+"):
                responses.append(response)
            elif remaining:
                self._behind.send(remaining.pop(0) + lines.pop(0) + b"\r\n")
            else:
                self._send(response + b"\r\n")
                self._behind.send(self._read_line() + b"\r\n")
        return responses

    def _read_command(self) -> tuple[bytes, list[bytes]]:
        """Return a command, with CRLF where its literals stand, and the literals."""
        line, literals = b"", list[bytes]()
        while True:
            part = self._read_line()
            line += part
            literal = find_announced_literal(part)
            if literal is None:
                return line, literals
            line = re.sub(rb"\+\}\Z", b"}", line) + b"\r\n"
            if literal.is_synchronizing:
                self._send(b"+ OK\r\n")
            literals.append(self._read(literal.byte_count))

    def _read_line(self) -> bytes:
        while b"\n" not in self._received:
            self._receive()
        line, _, self._received = self._received.partition(b"\n")
        return line.removesuffix(b"\r")

    def _read(self, size: int) -> bytes:
        while len(self._received) < size:
            self._receive()
        content, self._received = self._received[:size], self._received[size:]
        return content

    def _receive(self) -> None:
        """Receive some bytes. Raises EOFError at the end of the connection or of the server."""
        while not self._server.is_stopped:
            with suppress(TimeoutError, ssl.SSLWantReadError):
                received = self._connection.recv(65_536)
                if not received:
                    break
                self._received += received
                return
        raise EOFError

    def _send(self, content: bytes) -> None:
        """Send bytes. Raises OSError if the client does not read them within some seconds."""
        self._connection.settimeout(SEND_TIMEOUT_S)
        self._connection.sendall(content)
        self._connection.settimeout(_SHUTDOWN_POLL_S)


@contextmanager
def scripted_imap(
    folder: Path, *rules: Rule, behind: tuple[int, Path] | None = None, has_tls: bool = True
) -> Iterator[ScriptedImap]:
    """Run a `ScriptedImap` until the end of the block."""
    server = ScriptedImap(folder, *rules, behind=behind, has_tls=has_tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def without(pattern: str) -> Edit:
    """Return the edit that leaves out the responses that match."""
    return lambda found: [each for each in found if not re.search(pattern.encode(), each)]


def replacing(pattern: str, replacement: bytes) -> Edit:
    """Return the edit that replaces what matches in each response."""
    return lambda found: [re.sub(pattern.encode(), replacement, each) for each in found]


def capabilities(*names: str) -> list[Rule]:
    """Return the rules of a server that advertises these names alone, at every stage."""
    offered = " ".join(["IMAP4rev1", *names]).encode()
    return [
        Rule("^GREETING$", replacing(r"CAPABILITY [^\]]*", b"CAPABILITY " + offered), times=None),
        Rule("^CAPABILITY$", replacing(r"CAPABILITY .*", b"CAPABILITY " + offered), times=None),
        Rule(
            "^(LOGIN|AUTHENTICATE)",
            replacing(r"CAPABILITY [^\]]*", b"CAPABILITY " + offered),
            times=None,
        ),
    ]
