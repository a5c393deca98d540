"""`make live` on a provider that differs from the simulators: it names each difference, and its
record contains nothing of the mailbox."""

import re
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGINT
from typing import Any

import httpx
import pytest

from localdev.live.__main__ import main
from localdev.live.graph import sign_in as graph_sign_in
from localdev.mail.generate import generate_mail_items
from localdev.simulators import Simulators
from localdev.simulators.entra.server import CLIENT_ID
from localdev.simulators.graph.outlook import OutlookMailbox
from localdev.simulators.mailbox import Mailbox
from tests.local.live.changed_provider import DIFFERENCES, changed_provider
from tests.local.live.live_run import LiveRun, files, start_live, values_in_record

OWNER = "grace.hopper@navy.example"
MESSAGES = 700
ARGUMENTS = ["graph", "--latency=none"]
DEVICE_PAGE = re.compile(r"open (\S+) and enter the code (\w+)")
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("live")]  # one process runs it once


@dataclass(frozen=True)
class GraphRun(LiveRun):
    mailbox: Mailbox
    simulators: Simulators


def settings(simulators: Simulators) -> dict[str, str]:
    return {
        "MICROSOFT_CLIENT_ID": CLIENT_ID,
        "MICROSOFT_AUTHORITY": simulators.entra_authority_url,
        "GRAPH_URL": simulators.graph_url,
        "CA_BUNDLE": str(simulators.ca_bundle),
    }


def enter_code(simulators: Simulators, text: str, **form: str) -> None:
    """In a browser, if the text asks for it."""
    if found := DEVICE_PAGE.search(text):
        trust = ssl.create_default_context(cafile=simulators.ca_bundle)
        fields = {"user_code": found[2], "account": OWNER, **form}
        httpx.post(found[1], data=fields, verify=trust).raise_for_status()


def sign_in(simulators: Simulators, process: subprocess.Popen[str], *, stop_at: str = "\0") -> str:
    """Enter the code that the process prints; return all that the process prints.

    stop_at: text that is printed when the user presses Ctrl-C.
    """
    printed = ""
    assert process.stdout
    with process.stdout:
        for line in process.stdout:
            printed += line
            enter_code(simulators, line)
            if stop_at in line:
                process.send_signal(SIGINT)
    return printed


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphRun]:
    folder = tmp_path_factory.mktemp("live")
    with changed_provider(folder / "provider") as simulators:
        mailbox = simulators.find_or_create_mailbox(OWNER, "Grace Brewster Hopper")
        mailbox.import_mail_items(generate_mail_items(MESSAGES, owner=OWNER, seed=7))
        archived = generate_mail_items(350, owner=OWNER, seed=8)
        mailbox.import_mail_items(replace(each, folder=("Archive",)) for each in archived)
        process = start_live(folder, ARGUMENTS, settings(simulators))
        printed = sign_in(simulators, process)
        assert process.wait() == 0, printed
        yield GraphRun(folder, printed, mailbox, simulators)


@pytest.mark.parametrize("change", DIFFERENCES)
def test_the_report_names_each_shape_and_limit_that_differs(live: GraphRun, change: str) -> None:
    assert DIFFERENCES[change] in live.printed
    assert any(DIFFERENCES[change] in each for each in live.document["differences"])


def test_the_report_names_nothing_else(live: GraphRun) -> None:
    """Except latencies, which depend on what else the machine does, and the requests for messages
    that lack a field, which the product fetches again."""
    known = (*DIFFERENCES.values(), "latency", "no such request  [GET /me/messages/{id}?$select")
    named = live.document["differences"]

    assert [each for each in named if not any(text in each for text in known)] == []


def test_a_first_sync_a_check_and_verification_took_place(live: GraphRun) -> None:
    outcome = live.document["outcomes"]["live"]

    assert outcome == {
        "first_sync": "completed",
        "check": "completed",
        "is_verified": True,
        "messages": "1001–2000",
    }


def test_the_record_contains_nothing_of_the_mailbox(live: GraphRun) -> None:
    values = set(personal_values(live.mailbox))
    assert len(values) > 5 * MESSAGES

    assert values_in_record(live, values) == []


def test_nothing_is_written_at_the_provider_and_no_mail_stays_here(live: GraphRun) -> None:
    requests = live.simulators.service.log.records()
    [scope] = live.simulators.service.database.fetch_rows("SELECT DISTINCT scope FROM consent")

    assert {each.method for each in requests} == {"GET"}  # the log has the items of batches
    assert set(scope["scope"].split()) == {
        *("Mail.Read", "User.Read", "offline_access", "openid", "profile")
    }
    assert files(live.folder) == ["live.json", "live/lock"]


def test_an_interrupted_run_deletes_the_mail(tmp_path: Path) -> None:
    with changed_provider(tmp_path / "provider") as simulators:
        simulators.find_or_create_mailbox(OWNER)
        process = start_live(tmp_path, ARGUMENTS, settings(simulators))
        sign_in(simulators, process, stop_at="of 1,050 messages")

    assert process.wait() == 130
    assert files(tmp_path) == ["live/lock"]


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"MICROSOFT_CLIENT_ID": ""}, "The setting MICROSOFT_CLIENT_ID is missing"),
        ({"MICROSOFT_CLIENT_ID": CLIENT_ID, "GRAPH_URL": "graph"}, "The setting GRAPH_URL must"),
    ],
)
def test_a_missing_setting_ends_it_with_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(ARGUMENTS, environment) == 1
    printed = capsys.readouterr().err
    assert sentence in printed
    assert "docs/live.md" in printed


def run_here(
    patch: pytest.MonkeyPatch,
    folder: Path,
    *,
    form: dict[str, str],
    public: bool = True,
    granted: str = "",
) -> int:
    """The exit code, without a process of its own; `granted` is added to each token."""
    patch.chdir(folder)
    with Simulators(folder / "provider") as simulators:
        simulators.find_or_create_mailbox(OWNER)
        simulators.service.set_microsoft_behaviour_switches(public_clients_allowed=public)
        simulators.service.database.execute_write(
            "CREATE TRIGGER granted AFTER INSERT ON device_code BEGIN"
            f" UPDATE device_code SET scope = scope || ' {granted}'; END"
        )

        def show(text: str, **_: object) -> None:
            enter_code(simulators, text, **form)

        patch.setattr(graph_sign_in, "print", show, raising=False)
        code = main(ARGUMENTS, settings(simulators))
        assert simulators.service.log.records() == []
    return code


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ({"granted": "Mail.ReadWrite"}, "already has Mail.ReadWrite of this user"),
        ({"granted": "EWS.AccessAsUser.All"}, "already has EWS.AccessAsUser.All of this user"),
        ({"form": {"decline": "1"}}, "AADSTS65004"),
        ({"public": False}, "set Authentication, Allow public client flows, to Yes"),
    ],
)
def test_without_a_token_that_only_reads_it_ends_with_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: dict[str, Any],
    sentence: str,
) -> None:
    """Microsoft adds to the token what the user has granted to the application before."""
    assert run_here(monkeypatch, tmp_path, **{"form": {}, **case}) == 1
    assert sentence in capsys.readouterr().err


def personal_values(mailbox: Mailbox) -> Iterator[str]:
    """Addresses, names, subjects, ids, and the words of subjects and bodies."""
    outlook = OutlookMailbox(mailbox)
    yield from (mailbox.user_id, mailbox.address, mailbox.display_name)
    for folder in outlook.folders.list_all_folders():
        yield from (folder.id, folder.display_name)
        for message in outlook.list_messages_in_folder(folder.id):
            shown = message.properties
            yield from (message.immutable_id, message.mutable_id, message.change_key)
            yield from (shown["conversationId"], shown["internetMessageId"], shown["webLink"])
            for recipient in (shown.get("from"), *shown["toRecipients"], *shown["ccRecipients"]):
                yield from recipient["emailAddress"].values() if recipient else ()
            yield from (shown["subject"], shown["bodyPreview"])
            yield from re.findall(r"\w{5,}", shown["subject"])
            yield from re.findall(r"\w{5,}", re.sub("<[^>]*>|https", " ", message.body))
