"""`make live PROVIDER=gmail` on a simulated Gmail: it names what differs, and its record contains
nothing of the mailbox."""

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from localdev.http_server import Request, Response, Server
from localdev.live.__main__ import main
from localdev.live.gmail import sign_in as gmail_sign_in
from localdev.mail.generate import generate_mail_items
from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from tests.local.live.live_run import LiveRun, files, start_live, values_in_record
from tests.support.gmail_form import GmailForm

OWNER = "grace.hopper@navy.example"
MESSAGES = 150
ARGUMENTS = ["gmail", "--latency=none"]
SIGN_IN_URL = re.compile(r"https://\S+/o/oauth2/v2/auth\?\S+")
READ_MAIL = "https://www.googleapis.com/auth/gmail.readonly"
FROM_GOOGLE = {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
DIFFERENCES = {
    "an extra field": "field payloadHint: unknown to the simulator (number)",
    "a missing field": "field sizeEstimate: missing",
    "another type": "field messagesTotal: text instead of number",
    "a new word": "field labels[]/type: a word outside the list instead of a listed word",
    "another page size": "page size: 51–100 of 201–500 items instead of 201–500 of 201–500",
    "another error code": "field error/errors[]/reason: backendError instead of",
    "a shorter token": "expires_in: size 501–1000 instead of 2001–5000",
}
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("live-gmail")]  # one process runs each once


@dataclass(frozen=True)
class GmailRun(LiveRun):
    mailbox: Mailbox
    simulators: Simulators

    @property
    def differences(self) -> list[str]:
        """Without latencies, which depend on what else the machine does."""
        found = self.document["differences"]
        return [each for each in found if "latency" not in each]


def settings(simulators: Simulators, gmail_url: str = "") -> dict[str, str]:
    return {
        "GOOGLE_CLIENT_ID": simulators.google.client_id,
        "GOOGLE_CLIENT_SECRET": simulators.google.client_secret,
        "GOOGLE_IDENTITY_URL": simulators.google.base_url,
        "GMAIL_URL": gmail_url or simulators.gmail_url,
        "GMAIL_UNITS_PER_MINUTE": "100000",  # no pauses
        "CA_BUNDLE": str(simulators.ca_bundle),
    }


def consent(simulators: Simulators, text: str, **form: Any) -> None:
    """Sign in with a browser, if the text has the address. A page that forges the end of the
    sign-in has no effect."""
    if found := SIGN_IN_URL.search(text):
        trust = ssl.create_default_context(cafile=simulators.ca_bundle)
        with httpx.Client(verify=trust) as browser:
            page = browser.post(found[0], data={"account": OWNER, **form})
            landing = page.headers["location"]
            forged = re.sub("(state|code)=", r"\1=x", landing)
            assert browser.get(forged, headers=FROM_GOOGLE).status_code == 404
            assert browser.get(landing, headers=FROM_GOOGLE).status_code == 200


def run_live(folder: Path, simulators: Simulators, gmail_url: str = "") -> GmailRun:
    mailbox = simulators.find_or_create_mailbox(OWNER, "Grace Brewster Hopper")
    mailbox.import_mail_items(generate_mail_items(MESSAGES, owner=OWNER, seed=7))
    process = start_live(folder, ARGUMENTS, settings(simulators, gmail_url))
    printed = ""
    assert process.stdout
    with process.stdout:
        for line in process.stdout:
            printed += line
            consent(simulators, line)
    assert process.wait() == 0, printed
    return GmailRun(folder, printed, mailbox, simulators)


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmailRun]:
    folder = tmp_path_factory.mktemp("same")
    with Simulators(folder / "provider") as simulators:
        yield run_live(folder, simulators)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmailRun]:
    folder = tmp_path_factory.mktemp("changed")
    with Simulators(folder / "provider") as simulators, changed_gmail(simulators) as url:
        yield run_live(folder, simulators, url)


@contextmanager
def changed_gmail(simulators: Simulators) -> Iterator[str]:
    """The URL of a proxy that changes what the simulated Gmail returns."""
    simulators.gmail.set_behaviour_switches(largest_page=100)
    simulators.google.set_behaviour_switches(token_lifetime_s=600)
    server = Server(lambda request: _changed(simulators, request), port=0).start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


def _changed(simulators: Simulators, request: Request) -> Response:
    response = simulators.gmail(request)
    document = json.loads(response.body)
    if document.pop("sizeEstimate", None):
        document["payloadHint"] = 1
    if "messagesTotal" in document and "/labels/" in request.path:
        document["messagesTotal"] = str(document["messagesTotal"])
    for label in document.get("labels", ()):
        label["type"] = "shared"
    if request.path.endswith("no!id"):
        document["error"]["errors"][0]["reason"] = "backendError"
    return Response(response.status, json.dumps(document).encode(), response.headers)


def test_of_the_simulator_itself_no_difference_is_reported(same: GmailRun) -> None:
    assert same.differences == []
    assert same.document["outcomes"]["live"] == {
        "first_sync": "completed",
        "check": "completed",
        "is_verified": True,
        "messages": "101–200",
    }


@pytest.mark.parametrize("change", DIFFERENCES)
def test_the_report_names_each_shape_and_limit_that_differs(changed: GmailRun, change: str) -> None:
    [line] = [each for each in changed.differences if DIFFERENCES[change] in each]
    assert line in changed.printed


def test_the_report_names_nothing_else(changed: GmailRun) -> None:
    known = DIFFERENCES.values()

    assert [each for each in changed.differences if not any(it in each for it in known)] == []


def test_the_record_contains_nothing_of_the_mailbox(same: GmailRun) -> None:
    values = set(personal_values(same.mailbox)) - {""}
    assert len(values) > 4 * MESSAGES

    assert values_in_record(same, values) == []


def personal_values(mailbox: Mailbox) -> Iterator[str]:
    """Addresses, names, subjects, ids, and the words of subjects and bodies."""
    yield from (mailbox.user_id, mailbox.address, mailbox.display_name, "Hopper")
    form, folders = GmailForm(mailbox), mailbox.folders.list_all_folders()
    yield from (each.name for each in folders if " " in each.name)
    for message in mailbox.list_messages_in_folders(*(each.number for each in folders)):
        item = message.mail_item
        yield from (
            form.message_id(message.message_number),
            str(form.fields(message)["conversation"]),
        )
        for person in filter(None, (item.sender, *item.to, *item.cc)):
            yield from (person.name, person.address)
        yield from (item.subject, item.internet_message_id or OWNER)
        yield from re.findall(r"\w{5,}", item.subject)
        yield from re.findall(r"\w{5,}", re.sub("<[^>]*>|https", " ", item.body))


def test_nothing_is_written_at_google_and_no_mail_stays_here(same: GmailRun) -> None:
    database = same.simulators.service.database
    [scope] = database.fetch_rows("SELECT DISTINCT scope FROM google_consent")

    assert {each.method for each in same.simulators.service.log.records()} == {"GET"}
    assert scope["scope"] == READ_MAIL
    assert files(same.folder) == ["live.json", "live/lock"]


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ({"GOOGLE_CLIENT_ID": ""}, "The setting GOOGLE_CLIENT_ID is missing"),
        ({"GMAIL_UNITS_PER_MINUTE": "fast"}, "GMAIL_UNITS_PER_MINUTE must be"),
        ({"GOOGLE_CLIENT_SECRET": "wrong"}, "Google rejected the app (invalid_client)"),
        ({"decline": "1"}, "cancelled or access was denied"),
        ({"granular": "1"}, "the box for reading mail was not ticked"),
        ({"scope": f"{READ_MAIL} https://mail.google.com/"}, "allow more than reading"),
    ],
)
def test_without_a_token_that_only_reads_it_ends_with_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: dict[str, str],
    sentence: str,
) -> None:
    """The case is a setting, or a field of the form on Google's page."""
    change = {name: value for name, value in case.items() if name.isupper()}
    form = {name: value for name, value in case.items() if name not in change}
    monkeypatch.chdir(tmp_path)
    with Simulators(tmp_path / "provider") as simulators:
        simulators.find_or_create_mailbox(OWNER)
        monkeypatch.setattr(
            gmail_sign_in, "print", lambda text, **_: consent(simulators, text, **form), False
        )

        assert main(ARGUMENTS, settings(simulators) | change) == 1
        assert simulators.service.log.records() == []
    assert sentence in capsys.readouterr().err
