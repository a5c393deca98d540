"""The scripted server does what its script says, and passes on everything else."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from imapclient import IMAPClient

from localdev.simulators.mailbox import Mailbox
from tests.support.dovecot import PASSWORD
from tests.support.imap_client import RawImap
from tests.support.scripted_imap import (
    Rule,
    ScriptedImap,
    capabilities,
    replacing,
    scripted_imap,
    without,
)


@pytest.fixture
def client(server: ScriptedImap, mailbox: Mailbox) -> Iterator[RawImap]:
    with RawImap(server.port, server.certificate) as client:
        client.login(mailbox.address, PASSWORD)
        client.command("SELECT INBOX")
        yield client


def test_a_client_works_through_it(server: ScriptedImap, mailbox: Mailbox) -> None:
    context = ssl.create_default_context(cafile=server.certificate)
    with IMAPClient("localhost", server.port, ssl_context=context) as client:
        client.plain_login(mailbox.address, PASSWORD)
        client.select_folder("INBOX")
        client.append("INBOX", b"Subject: d\r\n\r\nx")
        found = client.fetch(client.search("ALL"), ["BODY.PEEK[]", "FLAGS"])
        assert len(found) == 4
    assert server.unexpected == []
    assert (1, 'SELECT "INBOX"') in server.commands


def test_rules_replace_and_change_answers(server: ScriptedImap, client: RawImap) -> None:
    server.rules += [
        Rule("^UID SEARCH", b"* SEARCH 266\r\n* SEARCH 304\r\n{tag} OK\r\n"),
        Rule("^UID FETCH", without("^\\* 2 FETCH")),
        Rule("^STATUS", replacing("UIDVALIDITY \\d+", b"UIDVALIDITY 0"), times=2),
        Rule("^NOOP", lambda found: [b"* 2 FETCH (FLAGS (\\Seen))", *found]),
    ]
    assert client.command("UID SEARCH ALL").untagged == [b"SEARCH 266", b"SEARCH 304"]
    assert len(client.command("UID SEARCH ALL").parsed()[0]) == 4
    assert [line[0] for line in client.command("UID FETCH 1:* FLAGS").parsed()] == [1, 3]
    for uid_validity in (0, 0, 1):
        [[*_, items]] = client.command("STATUS INBOX (UIDVALIDITY)").parsed()
        assert min(items[1], 1) == uid_validity
    assert client.command("NOOP").untagged == [b"2 FETCH (FLAGS (\\Seen))"]
    assert client.command("NOOP").untagged == []


def test_connections_are_cut_and_silent(server: ScriptedImap, mailbox: Mailbox) -> None:
    server.rules += [
        Rule("^LOGIN", b"* BYE Too many connections\r\n", connection=1),
        Rule("^LOGIN", "cut", connection=2),
        Rule("^LOGIN", b"* 1 FETCH (BODY[] {99}\r\nabc", then="cut", connection=3),
        Rule("^LOGIN", "silence", connection=4),
    ]
    expected = [b"* BYE Too many connections", b"", b"* 1 FETCH (BODY[] {99}\r\nabc"]
    for answer in expected:
        with RawImap(server.port, server.certificate) as client:
            client.send(b"X LOGIN a b\r\n")
            assert client.read_response() == answer
            assert client.read_response() == b""
    with RawImap(server.port, server.certificate) as client:
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.command("LOGIN a b")


def test_a_server_alone_knows_its_script_only(tmp_path: Path) -> None:
    greeting = Rule("^GREETING$", b"220 smtp.example.com ESMTP\r\n")
    with scripted_imap(tmp_path, greeting, has_tls=False) as server:
        with RawImap(server.port, None) as client:
            assert client.greeting == b"220 smtp.example.com ESMTP"
            assert client.command("CAPABILITY").status == "BAD"
        assert server.unexpected == ["T1 CAPABILITY"]


def test_capabilities_are_those_of_the_script(server: ScriptedImap, mailbox: Mailbox) -> None:
    server.rules += capabilities("XLIST", "MOVE")
    with RawImap(server.port, server.certificate) as client:
        client.login(mailbox.address, PASSWORD)
        assert client.command("CAPABILITY").untagged == [b"CAPABILITY IMAP4rev1 XLIST MOVE"]
        assert b"[CAPABILITY IMAP4rev1 XLIST MOVE]" in client.greeting


def test_a_line_and_a_literal_without_end(server: ScriptedImap, client: RawImap) -> None:
    server.rules += [
        Rule("^NOOP", b"* 1 FETCH (BODY[] {2147483648}\r\nabc", then="silence", connection=1),
        Rule("^GREETING$", "flood", connection=2),
    ]
    client.send(b"X NOOP\r\n")
    assert client.socket.recv(100) == b"* 1 FETCH (BODY[] {2147483648}\r\nabc"
    context = ssl.create_default_context(cafile=server.certificate)
    with (
        socket.create_connection(("localhost", server.port), timeout=5) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as flooded,
    ):
        received = sum(len(flooded.recv(65_536)) for _ in range(200))
    assert received > 200
