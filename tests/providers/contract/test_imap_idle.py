"""What the check of an idle IMAP account costs: one connection, two round trips, little CPU."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.imap.options import (
    ALL_EXTENSIONS,
    EXTENSIONS_EXCEPT_CONDSTORE_QRESYNC,
    ImapOptions,
)
from localdev.simulators.mailbox import Mailbox
from mailsync.model import FeedId, FeedRef, FolderId, FolderRef, FolderTreeReadingMode, RemoteId
from mailsync.providers.imap import wire
from mailsync.providers.imap.cursor import FolderPosition
from mailsync.providers.imap.provider import ImapMailbox
from tests.support.dovecot import PASSWORD, Dovecot, dovecot, readable_folder
from tests.support.imap_client import RawImap
from tests.support.imap_mailbox import open_imap_mailbox

FOLDERS, MESSAGES_PER_FOLDER = 200, 250
MAX_ROUND_TRIPS = 2
MAX_CPU_S = 0.05
CHECKS = 5
MAIL = b"From: a@example.com\r\nSubject: a\r\nMessage-ID: <a@example.com>\r\n\r\na\r\n"
Open = Callable[[], ImapMailbox]


class RoundTrips:
    """Counts how often this thread waits for an answer after it has sent something."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count, self._has_sent = 0, False
        self._of = threading.current_thread()
        send, read = wire.SizeLimitedImap.send, wire.SizeLimitedImap.readline
        patch.setattr(wire.SizeLimitedImap, "send", lambda it, data: self._sent(send(it, data)))
        patch.setattr(wire.SizeLimitedImap, "readline", lambda it: self._reads(read, it))

    def _sent(self, sent: Any) -> Any:
        self._has_sent = True
        return sent

    def _reads(self, read: Callable[[Any], bytes], imap: Any) -> bytes:
        if threading.current_thread() is not self._of:
            return read(imap)
        self.count += self._has_sent
        self._has_sent = False
        return read(imap)


@pytest.fixture(scope="module")
def large_dovecot() -> Iterator[Dovecot]:
    """50,000 messages in 200 folders; in a folder all are the same file."""
    with readable_folder() as folder, dovecot(folder / "d", mailboxes="") as server:
        for number in range(FOLDERS):
            _fill(server.data / "mail" / "ann" / f".Folder {number}")
        _give_to_owner_of(server.data / "mail")
        yield server


def _fill(folder: Path) -> None:
    for each in ("cur", "new", "tmp"):
        (folder / each).mkdir(parents=True)
    first = folder / "cur" / "1700000000.M0.host:2,S"
    first.write_bytes(MAIL)
    for number in range(1, MESSAGES_PER_FOLDER):
        os.link(first, folder / "cur" / f"1700000000.M{number}.host:2,S")


def _give_to_owner_of(mail: Path) -> None:
    owner = mail.stat()
    for path in mail.rglob("*"):
        os.chown(path, owner.st_uid, owner.st_gid)


def test_a_check_of_a_real_server_is_two_round_trips(
    large_dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened() -> ImapMailbox:
        return open_imap_mailbox(large_dovecot.port, large_dovecot.certificate, "ann", PASSWORD)

    with RawImap(large_dovecot.port, large_dovecot.certificate) as client:
        client.login("ann", PASSWORD)
        feeds = _positions(client)
    assert len(feeds) == FOLDERS + 1
    _assert_cheap(opened, feeds, monkeypatch)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    ports = SimulatedImapServerSettings(password=PASSWORD)
    with Simulators(tmp_path_factory.mktemp("simulators"), imap_ports=ports) as running:
        yield running


@pytest.mark.parametrize("extensions", [ALL_EXTENSIONS, EXTENSIONS_EXCEPT_CONDSTORE_QRESYNC])
def test_a_check_of_the_simulated_server_is_two_round_trips(
    extensions: tuple[str, ...],
    simulators: Simulators,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    imap = simulators.imap
    assert imap
    imap.current_options = ImapOptions(extensions=extensions)
    with RawImap(imap.tls_port, imap.certificate) as client:
        client.login(mailbox.address, PASSWORD)
        for number in range(20):
            assert client.command(f'CREATE "Folder {number}"').status == "OK"
        feeds = _positions(client, "HIGHESTMODSEQ" if "CONDSTORE" in extensions else "")

    def opened() -> ImapMailbox:
        return open_imap_mailbox(imap.tls_port, imap.certificate, mailbox.address, PASSWORD)

    _assert_cheap(opened, feeds, monkeypatch)


def _positions(client: RawImap, mod_seq: str = "HIGHESTMODSEQ") -> list[tuple[FeedRef, Any]]:
    """The feeds of all folders, with cursors as after a sync just now."""
    items = f"MESSAGES UIDNEXT UIDVALIDITY {mod_seq}".strip()
    answer = client.command(f'LIST "" "*" RETURN (STATUS ({items}))')
    found = []
    for number, (_, name, values) in enumerate(answer.of_kind("STATUS")):
        status = dict(zip(values[::2], values[1::2], strict=True))
        position = FolderPosition(
            status[b"UIDVALIDITY"],
            status[b"UIDNEXT"],
            status.get(b"HIGHESTMODSEQ"),
            status[b"MESSAGES"],
            flags_compared_at=int(time.time()),
        )
        folder = FolderRef(FolderId(number), RemoteId(name.decode()))
        found.append((FeedRef(FeedId(number), folder), position.to_cursor()))
    return found


def _assert_cheap(
    opened: Open, feeds: list[tuple[FeedRef, Any]], patch: pytest.MonkeyPatch
) -> None:
    def check() -> float:
        began = time.thread_time()
        with closing(opened()) as mailbox:
            listing = mailbox.list_folders((), FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS)
            pages = mailbox.fetch_next_page_of_each_feed(feeds, limit=100)
        used_s = time.thread_time() - began
        assert len(listing.folders) == len(feeds) == len(pages)
        cursors = [cursor for _, cursor in feeds]
        assert [(it.changes, it.next_cursor) for it in pages.values()] == [
            ((), each) for each in cursors
        ]
        return used_s

    least_s = min(check() for _ in range(CHECKS))
    with patch.context() as measured:
        trips = RoundTrips(measured)
        check()
    assert trips.count <= MAX_ROUND_TRIPS
    assert least_s < MAX_CPU_S
