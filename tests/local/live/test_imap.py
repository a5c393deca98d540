"""`make live PROVIDER=imap` on a real Dovecot: it names what differs, and its record contains
nothing of the mailbox."""

import getpass
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from localdev.live.__main__ import main
from localdev.mail.generate import generate_mail
from localdev.mail.item import MailItem
from localdev.simulators.message_bytes import compose
from tests.local.live.test_live import files, forms
from tests.support.dovecot import PASSWORD, Dovecot, dovecot, readable_folder
from tests.support.paths import ROOT

OWNER, FOLDER, MESSAGES = "grace.hopper@navy.example", "Compilers of 1952", 250
ARGUMENTS = ["imap", "--latency=none"]
CAPABILITY = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE NAMESPACE UIDPLUS CONDSTORE SPECIAL-USE"
pytestmark = pytest.mark.xdist_group("live-imap")  # one process runs it once


@dataclass(frozen=True)
class LiveRun:
    server: Dovecot
    mail: list[MailItem]
    folder: Path
    printed: str

    @property
    def record(self) -> str:
        return (self.folder / ".mailsync/live.json").read_text()

    @property
    def document(self) -> Any:
        return json.loads(self.record)


def settings(server: Dovecot) -> dict[str, str]:
    return {
        "IMAP_ADDRESS": OWNER,
        "IMAP_SERVER": f"localhost:{server.port}",
        "CA_BUNDLE": str(server.certificate),
    }


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRun]:
    folder = tmp_path_factory.mktemp("live")
    mail = list(generate_mail(MESSAGES, owner=OWNER, seed=7))
    with (
        readable_folder() as data,
        dovecot(data / "d", users=(OWNER,), capability=CAPABILITY) as server,
    ):
        client = server.other_client(OWNER)
        client.create(f'"{FOLDER}"')
        for number, item in enumerate(mail):
            name = "INBOX" if number % 3 else f'"{FOLDER}"'
            client.append(name, "\\Seen", "", compose(item))
        client.logout()
        done = subprocess.run(
            [sys.executable, "-m", "localdev.live", *ARGUMENTS],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'lambdas'}:{ROOT}", **settings(server)},
            input=f"{PASSWORD}\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # without a terminal the password comes from the input
            check=False,
        )
        assert done.returncode == 0, done.stdout
        yield LiveRun(server, mail, folder, done.stdout)


def test_a_first_sync_a_check_and_verification_took_place(live: LiveRun) -> None:
    assert live.document["outcomes"]["live"] == {
        "first_sync": "completed",
        "check": "completed",
        "is_verified": True,
        "messages": "201–500",
    }


def test_the_report_names_what_the_server_does_not_offer(live: LiveRun) -> None:
    differences = live.document["differences"]

    assert any("field CAPABILITY/LIST-STATUS: missing" in each for each in differences)
    assert any("field CAPABILITY/QRESYNC: missing" in each for each in differences)
    assert [each for each in differences if each not in live.printed] == []


def test_the_record_contains_nothing_of_the_mailbox(live: LiveRun) -> None:
    values = set(personal_values(live)) - {""}
    assert len(values) > 2 * MESSAGES

    record = live.record
    assert next((each for each in values for form in forms(each) if form in record), None) is None


def personal_values(live: LiveRun) -> Iterator[str]:
    yield from (OWNER, FOLDER, PASSWORD, "Compilers", "grace")
    for item in live.mail:
        people = (item.sender, *item.to, *item.cc)
        yield from chain.from_iterable((each.name, each.address) for each in people if each)
        yield from (item.subject, item.internet_message_id or OWNER)
        yield from re.findall(r"\w{5,}", item.subject)
        yield from re.findall(r"\w{5,}", re.sub("<[^>]*>|https", " ", item.body))


def test_nothing_is_changed_on_the_server_and_no_mail_stays_here(live: LiveRun) -> None:
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
    live: LiveRun,
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
