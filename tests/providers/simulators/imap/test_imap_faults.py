"""Faults of an IMAP server: by rules, at any command."""

from collections.abc import Callable
from typing import Any

import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.imap.server import ImapServer
from localdev.simulators.mailbox import Mailbox
from tests.support.imap_client import Answer, RawImap
from tests.support.mail import a_mail

Connect = Callable[[], RawImap]


@pytest.fixture
def inject(simulators: Simulators) -> Callable[..., None]:
    def injected(method: str | None = None, path: str = "", **fault: Any) -> None:
        simulators.service.faults.add_rules(
            FaultRule(fault=Fault(**fault), method=method, path=path)
        )

    return injected


@pytest.fixture
def client(mailbox: Mailbox, connect: Connect) -> RawImap:
    """A session with three messages, in the folder in which they are."""
    for subject in ("a", "b", "c"):
        mailbox.deliver_message(a_mail(subject))
    client = connect()
    client.command("ENABLE QRESYNC")
    client.command("SELECT INBOX")
    return client


def uids(answer: Answer) -> list[int]:
    [found] = answer.of_kind("SEARCH")
    return list(found[1:])


@pytest.mark.parametrize("status", ["NO", "BAD"])
def test_a_command_is_rejected(client: RawImap, inject: Callable[..., None], status: str) -> None:
    inject("UID FETCH", r"^INBOX UID FETCH 1:\*", imap=status, code="UNAVAILABLE", message="Later.")
    assert client.command("UID FETCH 2:* (FLAGS)").status == "OK"
    answer = client.command("UID FETCH 1:* (FLAGS)")
    assert (answer.status, answer.code) == (status, "UNAVAILABLE")
    assert client.command("UID FETCH 1:* (FLAGS)").status == "OK"


@pytest.mark.parametrize("command", ["GREETING", "LOGIN", "SELECT", "UID FETCH", "LOGOUT"])
def test_the_server_says_bye_at_any_command(
    connect: Connect, imap: ImapServer, inject: Callable[..., None], command: str
) -> None:
    inject(command, imap="BYE")
    with RawImap(imap.tls_port, imap.certificate) as client:
        lines = [b"X LOGIN a b", b"X SELECT INBOX", b"X UID FETCH 1 FLAGS", b"X LOGOUT"]
        answers = [client.greeting]
        if command != "GREETING":
            client.send(b"\r\n".join(lines) + b"\r\n")
        while answers[-1]:
            answers.append(client.read_response())
    assert answers[-2].startswith(b"* BYE The simulator")


def test_the_connection_is_cut_in_a_literal(client: RawImap, inject: Callable[..., None]) -> None:
    inject("UID FETCH", cut="mid body")
    client.send(b"X UID FETCH 1:* (BODY.PEEK[])\r\n")
    received = client.read_response()
    announced = int(received.partition(b"{")[2].partition(b"}")[0])
    assert 0 < len(received.partition(b"\r\n")[2]) < announced
    assert client.read_response() == b""


def test_the_server_is_silent(
    simulators: Simulators, client: RawImap, inject: Callable[..., None]
) -> None:
    inject("NOOP", delay_s=3600)
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.command("NOOP")


def test_lists_and_searches_are_short(client: RawImap, inject: Callable[..., None]) -> None:
    everything = uids(client.command("UID SEARCH ALL"))
    inject("LIST", page="empty")
    inject("LIST", page="less", about=["Archive"])
    inject("UID SEARCH", page="less", about=[str(everything[1])])
    inject("UID FETCH", page="less", about=[str(everything[0])])
    inject("UID FETCH", page="partial")
    assert client.command('LIST "" *').untagged == []
    names = [line[3] for line in client.command('LIST "" *').of_kind("LIST")]
    assert (b"Archive" in names, b"INBOX" in names) == (False, True)
    assert uids(client.command("UID SEARCH ALL")) == [everything[0], everything[2]]
    assert len(client.command("UID FETCH 1:* (FLAGS)").of_kind("FETCH")) == 2
    answer = client.command("UID FETCH 1:* (BODY.PEEK[])").of_kind("FETCH")
    assert [line[2] for line in answer] == [(b"UID", uid) for uid in everything]


def test_vanished_lies(client: RawImap, mailbox: Mailbox, inject: Callable[..., None]) -> None:
    everything = uids(client.command("UID SEARCH ALL"))
    inject("UID FETCH", page="removed")
    inject("UID FETCH", page="no removals")
    command = "UID FETCH 1:4294967295 (FLAGS) (CHANGEDSINCE 1 VANISHED)"
    [[_, _, vanished]] = client.command(command).of_kind("VANISHED")
    assert vanished == f"{everything[0]}:{everything[-1]}".encode()
    mailbox.delete_message_from_database(
        mailbox.list_messages_in_folders("inbox")[0].message_number
    )
    assert client.command(command).of_kind("VANISHED")[:1] == []
    assert client.command(command).of_kind("VANISHED") != []


def test_numbers_jump_and_come_back(client: RawImap, inject: Callable[..., None]) -> None:
    def status() -> dict[bytes, int]:
        items = "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"
        [[_, _, found]] = client.command(f"STATUS INBOX {items}").of_kind("STATUS")
        return dict(zip(found[::2], found[1::2], strict=True))

    right = status()
    inject("STATUS", page="renumbered", off_by=7)
    inject("STATUS", page="earlier changes", off_by=1)
    inject("STATUS", page="miscounted", off_by=2)
    inject("STATUS", page="uncounted")
    assert status() == right | {b"UIDVALIDITY": right[b"UIDVALIDITY"] + 7}
    assert status() == right | {b"HIGHESTMODSEQ": right[b"HIGHESTMODSEQ"] - 1}
    assert status() == right | {b"MESSAGES": right[b"MESSAGES"] + 2}
    assert status() == {}
    assert status() == right
