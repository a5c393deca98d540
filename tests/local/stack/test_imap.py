"""A whole stack whose mailbox is connected over IMAP, filled from the user's own mail file."""

import os
import subprocess
from collections.abc import Iterator
from email.header import Header
from typing import Any

import httpx
import pytest

from localdev.__main__ import welcome_text
from localdev.demo import run_demo
from tests.local.mirror import Mirror, when
from tests.support.guide import STATUS_FIELDS
from tests.support.imap_client import RawImap
from tests.support.paths import ROOT
from tests.support.small_stack import beside_other_stacks, small_stack
from tests.support.up import paste

WORDS = {
    "iso-8859-1": "Grüße aus Köln",
    "windows-1252": "5 € – “gratis”",
    "koi8-r": "Привет из Москвы",
    "iso-2022-jp": "日本語の件名",
    "utf-8": "Ærøskøbing 🎈",
}
STORED = """
SELECT m.subject, b.text FROM mailsync.emails m JOIN mailsync.email_bodies b ON b.email_id = m.id
 WHERE m.removed_at IS NULL"""
PLACES = """
SELECT m.id, f.display_name, m.is_read
  FROM mailsync.emails m JOIN mailsync.email_placements p ON p.email_id = m.id
  JOIN mailsync.email_folders f ON f.id = p.folder_id
 WHERE m.subject = :subject AND m.removed_at IS NULL"""
FOLDER_ID = "SELECT id FROM mailsync.email_folders WHERE display_name = :name AND gone_at IS NULL"


def in_charset(charset: str, text: str) -> bytes:
    head = f"Subject: {Header(text, charset).encode()}\nDate: Fri, 1 May 2026 12:00:00 +0000\n"
    kind = f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n"
    return f"From a@example.com\n{head}{kind}\n".encode() + text.encode(charset) + b"\n\n"


@pytest.fixture(scope="module")
def imap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """After the demo, which connects the mailbox, syncs it, and syncs a new mail."""
    folder = tmp_path_factory.mktemp("stack")
    mbox = folder / "mbox"
    mbox.write_bytes(b"".join(in_charset(*each) for each in WORDS.items()))
    own = small_stack(folder / "data", provider="imap", mbox=mbox)
    with beside_other_stacks(), own as stack:
        assert run_demo(stack) == 0
        yield Mirror.of(stack)


def test_the_demo_mirrors_the_users_own_mail_as_it_was_written(imap: Mirror) -> None:
    stored = {subject: (text or "").strip() for subject, text in imap.rows(STORED)}

    assert stored == {**{each: each for each in WORDS.values()}, "Fresh off the wire": ""}
    assert imap.rows("SELECT count(*) FROM mailsync.email_quarantine") == [[0]]


def test_the_guides_calls_sync_a_mailbox_connected_by_password(imap: Mirror) -> None:
    provider, url = imap.stack.provider, f"{imap.stack.api_url}/api/email"
    login = {"userName": imap.account.address, "password": provider.imap_password}
    server = {"host": "localhost", "port": provider.imap_port}
    connected = httpx.post(f"{url}/accounts/imap", json={**login, **server}, timeout=60).json()
    assert connected["accountId"] == imap.account.id
    imap.finished()
    imap.simulate("deliver", subject="By the guide")

    body = {"accountId": connected["accountId"], "syncType": "manual"}
    started = httpx.post(f"{url}/sync", json=body, timeout=60)

    assert (started.status_code, started.json()["success"]) == (202, True)
    imap.finished()
    shown = httpx.get(f"{url}/sync?accountId={connected['accountId']}", timeout=60).json()
    assert {name: type(shown[name]) for name in STATUS_FIELDS} == STATUS_FIELDS
    assert (shown["provider"], shown["syncStatus"]) == ("imap", "completed")
    assert shown["maxFlagAgeSeconds"] == 3600
    assert shown["initialSyncCompleted"] is True
    assert shown["syncProgress"] == shown["syncTotal"] >= len(WORDS) + 2
    assert len(imap.rows(PLACES, subject="By the guide")) == 1


def test_a_wrong_password_is_a_sentence_and_connects_nothing(imap: Mirror) -> None:
    login = {"userName": "bob@example.com", "password": "wr0ng-secret"}
    server = {"host": "localhost", "port": imap.stack.provider.imap_port}

    refused = imap.request("POST", "/api/email/accounts/imap", json={**login, **server})

    assert refused.status_code == 422
    assert "refused the user name or the password" in refused.json()["detail"]
    assert imap.rows("SELECT count(*) FROM mailsync.email_accounts") == [[1]]
    logs = (imap.stack.data / "logs").rglob("*")
    assert not [each for each in logs if each.is_file() and b"wr0ng-s" in each.read_bytes()]


def test_the_printed_commands_deliver_a_mail_and_read_it_over_imap(imap: Mirror) -> None:
    printed = welcome_text(imap.stack)
    shell = paste(printed)
    imap.finished()
    imap.synced()

    assert shell.stderr == ""
    assert '* STATUS "INBOX" (MESSAGES ' in shell.stdout
    assert "| Hello" in paste(printed).stdout
    imap.finished()


def test_the_documented_commands_change_the_mailbox_and_a_sync_outlives_them(imap: Mirror) -> None:
    commands = (ROOT / "docs/architecture.md").read_text().partition("```\nsim() ")[2]
    provider = imap.stack.provider
    control = provider.graph_url.removesuffix("/v1.0")

    shell = subprocess.run(
        ["bash", "-c", f"sim() {commands.partition('```')[0]}"],
        env={**os.environ, "SECRET": provider.control_secret, "SIMULATOR": control},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (shell.stderr, "error" in shell.stdout) == ("", False)
    assert imap.synced()["status"] == "completed"
    assert [row[1] for row in imap.rows(PLACES, subject="An idea")] == ["Ideas"]
    imap.control("POST", "imap-options", without=[])
    imap.control("DELETE", "faults")


def act(imap: Mirror, name: str, **fields: Any) -> None:
    """Press a button of the dashboard."""
    url = f"{imap.stack.dashboard_server.url}/data/actions/{name}"
    assert httpx.post(url, json=fields, timeout=60).status_code == 200


def test_the_dashboards_buttons_act_on_a_message_wherever_it_moved(imap: Mirror) -> None:
    imap.simulate("deliver", subject="Moves", is_read=False)
    imap.synced()
    ((number, _, _),) = imap.rows(PLACES, subject="Moves")
    ((archive,),) = imap.rows(FOLDER_ID, name="Archive")

    act(imap, "mark-read", messageId=number)
    act(imap, "move", messageId=number, destination=archive)
    imap.synced()
    assert imap.rows(PLACES, subject="Moves") == [[number, "Archive", True]]
    act(imap, "delete", messageId=number)
    imap.synced()

    assert imap.rows(PLACES, subject="Moves") == [[number, "Deleted Items", True]]


def test_the_dashboards_faults_reach_imap_clients_and_a_sync_outlives_them(imap: Mirror) -> None:
    act(imap, "throttle")
    with RawImap(imap.stack.provider.imap_port, imap.stack.data / "simulators/ca.pem") as client:
        assert client.command("NOOP").status == "BAD"
        act(imap, "restore-network")
        assert client.command("NOOP").status == "OK"
    act(imap, "cut-network")
    run_id = imap.account.sync()["runId"]
    when(lambda: imap.failed_tasks(run_id))

    act(imap, "restore-network")

    imap.finished()
    run = f"SELECT status, error FROM mailsync.sync_runs WHERE id = '{run_id}'"
    assert imap.rows(run) == [["completed", None]]
