"""No bytes of a client end the server, take it long, or make it read what it should not."""

import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localdev.simulators.imap.command import BadCommand, parse_command
from localdev.simulators.imap.names import matches_list_pattern
from localdev.simulators.imap.number_set import format_sequence_set, parse_sequence_set
from localdev.simulators.imap.server import ImapServer
from localdev.simulators.mailbox import Mailbox
from tests.support.imap_client import RawImap
from tests.support.mail import a_mail

Connect = Callable[[], RawImap]
WORDS = st.sampled_from(
    [
        *("UID", "FETCH", "STORE", "SEARCH", "LIST", "SELECT", "APPEND", "INBOX", "1:*", "*", "0"),
        *("(", ")", "()", '"', '"x"', "NIL", "FLAGS", "BODY[]", "BODY[", "RETURN", "(ALL)", "NOT"),
        *("{3}", "{99999999999}", "4294967296", "-1", "\\", "é", "\0", "%", "RFC822.SIZE", "OR"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS | st.text(max_size=5), max_size=12), st.lists(st.binary(max_size=5)))
def test_the_parser_reads_every_line_or_rejects_it(words: list[str], literals: list[bytes]) -> None:
    line = b"T " + " ".join(words).encode("utf-8", "replace")
    try:
        command = parse_command(line, literals)
    except BadCommand:
        return
    assert command.tag == "T"


@given(st.sets(st.integers(1, 2**32 - 1), max_size=20))
def test_a_set_of_numbers_is_written_and_read(numbers: set[int]) -> None:
    if numbers:
        text = format_sequence_set(numbers)
        assert parse_sequence_set(text).filter_numbers(sorted(numbers)) == sorted(numbers)
        assert parse_sequence_set("1:4294967295").filter_numbers(sorted(numbers)) == sorted(numbers)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(WORDS, min_size=1, max_size=8))
def test_a_session_survives_every_command(connect: Connect, words: list[str]) -> None:
    client = connect()
    client.command("SELECT INBOX")
    line = " ".join(words).replace("\0", "")
    if line.upper().startswith(("LOGOUT", "IDLE")) or line.endswith("}"):
        line += " x"
    assert client.command(line).status in ("OK", "NO", "BAD")
    assert client.command("NOOP").status == "OK"


@pytest.mark.parametrize(
    "line",
    [
        "UID FETCH 1:4294967295,1:4294967295,5:1 (FLAGS)",
        "UID SEARCH " + "NOT " * 900 + "ALL",
        "UID SEARCH " + "(" * 15 + "ALL" + ")" * 15,
        'LIST "" ' + "*%" * 2000,
        "FETCH " + "1," * 20_000 + "1 FLAGS",
        "UID STORE 1:* FLAGS (" + "x " * 2000 + ")",
        'LIST "" ' + "(" * 1000,
    ],
    ids=lambda line: line[:20],
)
def test_an_expensive_command_is_answered_soon(
    connect: Connect, mailbox: Mailbox, line: str
) -> None:
    mailbox.deliver_message(a_mail())
    client = connect()
    client.command("SELECT INBOX")
    began = time.monotonic()
    assert client.command(line).status in ("OK", "NO", "BAD")
    assert time.monotonic() - began < 5


def test_a_pattern_of_many_wildcards_is_quick() -> None:
    began = time.monotonic()
    assert not matches_list_pattern("a" * 200, "*a" * 12 + "b", "/")
    assert time.monotonic() - began < 1


def test_too_long_lines_and_literals_are_refused(imap: ImapServer, connect: Connect) -> None:
    client = connect()
    answer = client.command("NOOP")
    client.send(b"X APPEND INBOX {99999999}\r\n")
    assert client.read_response().startswith(b"X BAD [TOOBIG]")
    assert client.command("NOOP") == answer
    client.send(b"X " + b"a" * 70_000)
    assert client.read_response() == b""
    with RawImap(imap.tls_port, imap.certificate) as before_login:
        before_login.send(b"X LOGIN {70000+}\r\n")
        assert before_login.read_response() == b""
