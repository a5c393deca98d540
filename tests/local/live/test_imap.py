"""`make live PROVIDER=imap` on a real Dovecot: it names what differs, and its record contains
nothing of the mailbox."""

import getpass
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import pytest

from localdev.live.__main__ import main
from localdev.mail.generate import generate_mail_items
from localdev.mail.item import MailItem
from localdev.simulators.message_bytes import compose_message
from tests.local.live.live_run import LiveRun, files, start_live, values_in_record
from tests.support.dovecot import PASSWORD, Dovecot, dovecot, readable_folder

OWNER, FOLDER, MESSAGES = "grace.hopper@navy.example", "Compilers of 1952", 250
ARGUMENTS = ["imap", "--latency=none"]
CAPABILITY = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE NAMESPACE UIDPLUS CONDSTORE SPECIAL-USE"
pytestmark = pytest.mark.xdist_group("live-imap")  # one process runs it once


@dataclass(frozen=True)
class ImapRun(LiveRun):
    server: Dovecot
    mail: list[MailItem]


def settings(server: Dovecot) -> dict[str, str]:
    return {
        "IMAP_ADDRESS": OWNER,
        "IMAP_SERVER": f"localhost:{server.port}",
        "CA_BUNDLE": str(server.certificate),
    }


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImapRun]:
    folder = tmp_path_factory.mktemp("live")
    mail = list(generate_mail_items(MESSAGES, owner=OWNER, seed=7))
    with (
        readable_folder() as data,
        dovecot(data / "d", users=(OWNER,), capability=CAPABILITY) as server,
    ):
        client = server.other_client(OWNER)
        client.create(f'"{FOLDER}"')
        for number, item in enumerate(mail):
            name = "INBOX" if number % 3 else f'"{FOLDER}"'
            client.append(name, "\\Seen", "", compose_message(item))
        client.logout()
        process = start_live(folder, ARGUMENTS, settings(server), stdin=subprocess.PIPE)
        printed, _ = process.communicate(f"{PASSWORD}\n")
        assert process.returncode == 0, printed
        yield ImapRun(folder, printed, server, mail)


def test_a_first_sync_a_check_and_verification_took_place(live: ImapRun) -> None:
    assert live.document["outcomes"]["live"] == {
        "first_sync": "completed",
        "check": "completed",
        "is_verified": True,
        "messages": "201–500",
    }


def test_the_report_names_what_the_server_does_not_offer(live: ImapRun) -> None:
    differences = live.document["differences"]

    assert any("field CAPABILITY/LIST-STATUS: missing" in each for each in differences)
    assert any("field CAPABILITY/QRESYNC: missing" in each for each in differences)
    assert [each for each in differences if each not in live.printed] == []


def test_the_record_contains_nothing_of_the_mailbox(live: ImapRun) -> None:
    values = set(personal_values(live)) - {""}
    assert len(values) > 2 * MESSAGES

    assert values_in_record(live, values) == []


def personal_values(live: ImapRun) -> Iterator[str]:
    yield from (OWNER, FOLDER, PASSWORD, "Compilers", "grace")
    for item in live.mail:
        people = (item.sender, *item.to, *item.cc)
        yield from chain.from_iterable((each.name, each.address) for each in people if each)
        yield from (item.subject, item.internet_message_id or OWNER)
        yield from re.findall(r"\w{5,}", item.subject)
        yield from re.findall(r"\w{5,}", re.sub("<[^>]*>|https", " ", item.body))


def test_nothing_is_changed_on_the_server_and_no_mail_stays_here(live: ImapRun) -> None:
    with live.server.other_client(OWNER) as client:
        client.select("INBOX", readonly=True)
        [unseen] = client.uid("SEARCH", "UNSEEN")[1]

    assert unseen == b""
    assert files(live.folder) == ["live.json", "live/lock"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"IMAP_ADDRESS": ""}, "Set IMAP_ADDRESS"),
        ({"IMAP_SERVER": ""}, "Set IMAP_SERVER"),
        ({"IMAP_SERVER": "localhost:1"}, "localhost:1 does not answer"),
        ({}, "refused the login"),
    ],
)
def test_what_is_missing_or_wrong_is_a_sentence(
    live: ImapRun,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    sentence: str,
) -> None:
    monkeypatch.chdir(live.folder)
    monkeypatch.setattr(getpass, "getpass", lambda _: "wrong")

    assert main(ARGUMENTS, settings(live.server) | change) == 1
    printed = capsys.readouterr().err
    assert sentence in printed
    assert "docs/live.md" in printed
