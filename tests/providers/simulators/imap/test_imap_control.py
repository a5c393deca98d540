"""The control API `/_sim/` and the process of the simulators, with an IMAP server."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from localdev.simulators import Simulators
from localdev.simulators.imap.server import ImapServer
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.test_control import act
from tests.providers.simulators.test_faults import control
from tests.support.imap_client import RawImap
from tests.support.mail import a_mail

Connect = Callable[[], RawImap]


def test_the_owner_acts_by_the_control_api(
    simulators: Simulators, mailbox: Mailbox, connect: Connect
) -> None:
    message = act(simulators, mailbox, "deliver", subject="Hello")
    act(simulators, mailbox, "mark-read", id=message)
    folder = act(simulators, mailbox, "create-folder", name="Box")
    act(simulators, mailbox, "move", id=message, destination=folder)
    client = connect()
    assert client.command("STATUS INBOX (MESSAGES)").untagged == [b'STATUS "INBOX" (MESSAGES 0)']
    client.command("SELECT Box")
    [line] = client.command("FETCH 1 (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").untagged
    assert b"FLAGS (\\Seen)" in line
    assert b"Subject: Hello" in line
    client.command("UID SEARCH ALL")
    found = control(simulators, "GET", "imap-commands").json()
    assert [each["verb"] for each in found] == ["LOGIN", "STATUS", "SELECT", "FETCH", "UID SEARCH"]
    assert {each["session"] for each in found} == {found[0]["session"]}
    assert found[0]["arguments"] == ""


def test_the_owner_names_messages_and_folders_as_imap_does(
    simulators: Simulators, mailbox: Mailbox, connect: Connect
) -> None:
    act(simulators, mailbox, "deliver", subject="Hello")
    act(simulators, mailbox, "create-folder", name="Entwürfe")
    client = connect()
    [[_, validity]] = [each[2] for each in client.command("STATUS INBOX (UIDVALIDITY)").parsed()]
    client.command("EXAMINE INBOX")
    [[_, uid]] = client.command("UID SEARCH ALL").parsed()

    stale = control(
        simulators, "POST", "delete", mailbox=mailbox.address, id=f"INBOX:{validity + 1}:{uid}"
    )
    act(simulators, mailbox, "move", id=f"inbox:{validity}:{uid}", destination="Entw&APw-rfe")
    act(simulators, mailbox, "deliver", subject="Second", folder="Entwürfe")

    assert stale.status_code == 400
    moved = client.command("STATUS Entw&APw-rfe (MESSAGES)").untagged
    assert moved == [b'STATUS "Entw&APw-rfe" (MESSAGES 2)', b"1 EXPUNGE"]


def test_options_and_faults_are_set_by_the_control_api(
    simulators: Simulators, connect: Connect
) -> None:
    given = {"prefix": "INBOX.", "separator": ".", "without": ["QRESYNC", "CONDSTORE"]}
    control(simulators, "POST", "imap-options", **given)
    refused = control(simulators, "POST", "imap-options", without=["NONSENSE"])
    assert refused.status_code == 400
    rule = {"match": {"method": "NOOP"}, "fault": {"imap": "NO", "code": "INUSE"}}
    control(simulators, "POST", "faults", rules=[rule])
    client = connect()
    names = [line[3] for line in client.command('LIST "" *').of_kind("LIST")]
    assert b"INBOX.Archive" in names
    assert client.command("ENABLE QRESYNC").untagged == [b"ENABLED"]
    assert client.command("NOOP").code == "INUSE"
    assert client.command("NOOP").status == "OK"


def test_a_mailbox_has_options_of_its_own(
    simulators: Simulators, mailbox: Mailbox, imap: ImapServer, connect: Connect
) -> None:
    control(
        simulators, "POST", "imap-options", mailbox=mailbox.address, without=["MOVE"], separator="."
    )
    assert connect().command('LIST "" ""').untagged == [b'LIST (\\Noselect) "." ""']
    assert connect().command("UID MOVE 1 x").status == "BAD"
    other = simulators.find_or_create_mailbox(f"other.{mailbox.address}")
    with RawImap(imap.tls_port, imap.certificate) as client:
        client.login(other.address, imap.password)
        assert client.command('LIST "" ""').untagged == [b'LIST (\\Noselect) "/" ""']


def test_cursors_that_expire_are_a_new_uid_validity(mailbox: Mailbox, connect: Connect) -> None:
    client = connect()
    command = "STATUS INBOX (UIDVALIDITY)"
    before = client.command(command).untagged
    mailbox.expire_cursors("archive")
    assert client.command(command).untagged == before
    mailbox.expire_cursors("inbox")
    after = client.command(command).untagged
    assert after > before


def test_uids_begin_where_a_test_wants_them(mailbox: Mailbox, connect: Connect) -> None:
    mailbox.deliver_message(a_mail("early"))
    mailbox.journal.set_minimum_next_change_number(743_024_218)
    late = mailbox.deliver_message(a_mail("late"))
    client = connect()
    client.command("SELECT INBOX")
    [[_, early, uid]] = client.command("UID SEARCH UID 1:*").parsed()
    assert (early < 743_024_218, uid >= 743_024_218) == (True, True)
    mailbox.delete_message_from_database(late)
    assert client.command("NOOP").of_kind("EXPUNGE") == [(2, b"EXPUNGE")]


def test_the_process_says_how_to_reach_the_server(tmp_path: Path) -> None:
    mail = tmp_path / "a.eml"
    mail.write_bytes(b"Subject: from a file\n\nText\n")
    command = [sys.executable, "-m", "localdev.simulators", "--provider", "imap"]
    arguments = ["--data", str(tmp_path / "data"), "--mbox", str(mail), "--imap-without", "MOVE"]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        ready = json.loads(process.stdout.readline())
        with RawImap(ready["imapPort"], Path(ready["caBundle"])) as client:
            client.login("ada@example.com", ready["imapPassword"])
            client.command("EXAMINE INBOX")
            [line] = client.command("FETCH 1 BODY.PEEK[]").untagged
            assert line.endswith(b"\r\nSubject: from a file\r\n\r\nText\r\n)")
            assert client.command("UID MOVE 1 Archive").status == "BAD"
    finally:
        process.terminate()
        process.communicate()
