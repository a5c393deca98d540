"""FETCH commands are sent before the responses to earlier ones are read."""

import socket
from collections.abc import Iterator
from imaplib import IMAP4

import pytest

from mailsync.providers.imap.pipeline import FetchPipeline
from mailsync.providers.imap.wire import SizeLimitedImap

FIRST, SECOND, OTHER = ("1:2", "(UID)"), ("3", "(UID)"), ("9", "(UID)")


class Server:
    """The end of the connection that answers, one call after the other."""

    def __init__(self, connected: socket.socket, client: socket.socket) -> None:
        self._connected = connected
        self.client = client
        self.lines = connected.makefile("rb")
        self.say("* OK [CAPABILITY IMAP4rev1] ready")

    def say(self, *lines: str) -> None:
        self._connected.sendall("".join(f"{each}\r\n" for each in lines).encode())

    def receive(self) -> tuple[str, str]:
        """Return tag and set of a command; it is there already, or this fails."""
        self._connected.settimeout(0.5)
        tag, _, _, uid_set, _ = self.lines.readline().decode().split(" ", 4)
        return tag, uid_set


@pytest.fixture
def server() -> Iterator[Server]:
    ends = socket.socketpair()
    with ends[0], ends[1]:
        server = Server(ends[1], ends[0])
        yield server
        server.lines.close()


@pytest.fixture
def pipeline(server: Server) -> FetchPipeline:
    imap = SizeLimitedImap("localhost", 143, server.client, lambda _: True)
    imap.state = "SELECTED"
    return FetchPipeline(imap)


def rows(*uids: int) -> list[str]:
    return [f"* {uid} FETCH (UID {uid})" for uid in uids]


def test_the_server_has_both_commands_before_it_answers_one(
    server: Server, pipeline: FetchPipeline
) -> None:
    pipeline.send_command(FIRST)
    pipeline.send_command(SECOND)
    (first, first_set), (second, second_set) = server.receive(), server.receive()
    assert (first_set, second_set) == ("1:2", "3")

    server.say(*rows(1, 2), f"{first} OK", *rows(3), f"{second} OK")
    assert [uid for uid, _ in pipeline.iter_command_responses(FIRST)] == [1, 2]
    assert [uid for uid, _ in pipeline.iter_command_responses(SECOND)] == [3]
    assert pipeline.sent_count == 2


def test_what_comes_among_the_responses_to_an_earlier_command_is_kept_for_the_later_one(
    server: Server, pipeline: FetchPipeline
) -> None:
    pipeline.send_command(FIRST)
    pipeline.send_command(SECOND)
    (first, _), (second, _) = server.receive(), server.receive()
    server.say(*rows(1, 3, 2), f"{first} OK", f"{second} OK")

    assert [uid for uid, _ in pipeline.iter_command_responses(FIRST)] == [1, 2]
    assert [uid for uid, _ in pipeline.iter_command_responses(SECOND)] == [3]


def test_a_later_command_may_end_before_an_earlier_one(
    server: Server, pipeline: FetchPipeline
) -> None:
    pipeline.send_command(FIRST)
    pipeline.send_command(SECOND)
    (first, _), (second, _) = server.receive(), server.receive()
    server.say(*rows(1, 3), f"{second} OK", *rows(2), f"{first} OK")
    server.client.settimeout(0.5)

    assert [uid for uid, _ in pipeline.iter_command_responses(FIRST)] == [1, 2]
    assert [uid for uid, _ in pipeline.iter_command_responses(SECOND)] == [3]


def test_another_command_drops_what_was_sent_ahead(server: Server, pipeline: FetchPipeline) -> None:
    pipeline.send_command(FIRST)
    tag, _ = server.receive()
    server.say(*rows(1, 2), f"{tag} OK", *rows(9), f"{_next(tag)} OK")

    assert [uid for uid, _ in pipeline.iter_command_responses(OTHER)] == [9]


def test_a_rejection_of_a_dropped_command_raises_nothing(
    server: Server, pipeline: FetchPipeline
) -> None:
    pipeline.send_command(FIRST)
    tag, _ = server.receive()
    server.say(f"{tag} NO busy", *rows(9), f"{_next(tag)} OK")

    assert [uid for uid, _ in pipeline.iter_command_responses(OTHER)] == [9]


def test_a_rejection_is_raised_where_the_command_is_read(
    server: Server, pipeline: FetchPipeline
) -> None:
    pipeline.send_command(FIRST)
    tag, _ = server.receive()
    server.say(f"{tag} NO [LIMIT] busy")

    with pytest.raises(IMAP4.error, match="LIMIT"):
        list(pipeline.iter_command_responses(FIRST))
    assert not pipeline.is_reading


def _next(tag: str) -> str:
    return f"{tag[:-1]}{int(tag[-1]) + 1}"
