"""A mailbox on a real IMAP server through the real workflow."""

import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from imaplib import IMAP4_SSL
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from localdev.simulators import Simulators
from mailsync.credentials import UnrenewableAccessToken
from mailsync.model import AccessToken, RemoteId, SyncType
from mailsync.providers import MailProvider
from mailsync.providers.imap.address import MailboxAddress
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.servers import AllowedServers
from mailsync.settings import Settings
from mailsync.store.connection import Database
from tests.support.dovecot import PASSWORD, Dovecot, dovecot
from tests.workflow.failures.conftest import Prepared
from tests.workflow.failures.world import World

BASIC = "IMAP4rev1 LITERAL+ ID UIDPLUS NAMESPACE"
NUMBER_ANEW = ("mailbox", "update", "-u", "ann", "--uid-validity")
SERVERS: dict[str, dict[str, Any]] = {
    "QRESYNC": {},
    "CONDSTORE": {"capability": f"{BASIC} ENABLE CONDSTORE SPECIAL-USE LIST-STATUS"},
    "neither": {"capability": BASIC},
    "prefix": {"prefix": "INBOX.", "separator": "."},
}
ROWS = """
SELECT f.remote_id, m.subject, m.is_read, m.is_flagged, m.categories::text, b.text
  FROM mailsync.emails m
  JOIN mailsync.email_placements p ON p.email_id = m.id
  JOIN mailsync.email_folders f ON f.id = p.folder_id
  LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id
 WHERE m.removed_at IS NULL AND f.gone_at IS NULL"""
NUMBERS = "SELECT subject, id FROM mailsync.emails WHERE removed_at IS NULL"
INSERTED = "SELECT coalesce(sum(inserted), 0) FROM mailsync.sync_run_folders WHERE run_id = '{run}'"


class ImapWorld(World):
    server: Dovecot
    other: IMAP4_SSL
    prefix: str
    fetched: list[RemoteId]

    @property
    def capabilities(self) -> tuple[str, ...]:
        return tuple(self.other.capability()[1][0].decode().split())

    def provider(self, *_: object) -> MailProvider:
        access = UnrenewableAccessToken(AccessToken(PASSWORD, datetime.max.replace(tzinfo=UTC)))
        servers = AllowedServers(frozenset({f"localhost:{self.server.port}"}), is_any_public=False)
        context = ssl.create_default_context(cafile=self.server.certificate)
        mailbox = ImapMailbox(
            MailboxAddress("localhost", self.server.port, "ann"), access, servers, context
        )
        fetch = mailbox.fetch_messages

        def counted(ids: Sequence[RemoteId], **named: bool) -> Any:
            self.fetched += ids
            return fetch(ids, **named)

        mailbox.fetch_messages = counted  # type: ignore[method-assign]
        return mailbox

    def deliver(self, subject: str, folder: str = "INBOX", flags: str = "") -> None:
        header = f"From: a@example.com\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n"
        done, _ = self.other.append(
            folder, flags, '"01-Jan-2026 10:00:00 +0000"', f"{header}\r\n{subject}\r\n".encode()
        )
        assert done == "OK"

    def command(self, folder: str, *commands: tuple[str, ...]) -> None:
        """UID commands of another client."""
        self.other.select(folder)
        for each in commands:
            assert self.other.uid(*each)[0] == "OK"
        self.other.expunge()
        self.other.close()

    def is_exact(self) -> bool:
        found = sorted(tuple(row) for row in self.rows(ROWS))
        assert found == sorted(self.on_server())
        return True

    def on_server(self) -> Iterator[tuple[Any, ...]]:
        for line in self.other.list()[1]:
            assert isinstance(line, bytes)
            name = line.decode().rpartition(" ")[2].strip('"')
            if self.other.select(name, readonly=True)[0] != "OK":
                continue
            for answer in self.other.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")[1] or []:
                if isinstance(answer, tuple):
                    head, text = answer[0].decode(), answer[1].decode()
                    subject = text.split("Subject: ")[1].partition("\r\n")[0]
                    yield (
                        name,
                        subject,
                        "\\Seen" in head,
                        "\\Flagged" in head,
                        '["work"]' if "work" in head else "[]",
                        text.partition("\r\n\r\n")[2].replace("\r\n", "\n"),
                    )


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Dovecot, str]]:
    """The server, and the prefix of its folders' names."""
    options = SERVERS[request.param]
    # Sockets stand in it: their paths are short, and Dovecot's user reads it.
    with TemporaryDirectory(prefix="imap") as data:
        Path(data).chmod(0o755)
        with dovecot(Path(data) / "d", **options) as running:
            yield running, options.get("prefix", "")


@pytest.fixture
def imap(
    server: tuple[Dovecot, str],
    prepared: Prepared,
    simulators: Simulators,
    shared: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ImapWorld]:
    prepared.connected.restore()
    with closing(Database(shared)) as database:
        world = ImapWorld(simulators, prepared.remote, shared, database, prepared.account_id)
        world.server, world.prefix = server
        world.other, world.fetched = world.server.other_client(), []
        world.install(monkeypatch)
        yield world
        world.other.logout()


def test_what_another_client_does_is_mirrored(imap: ImapWorld) -> None:
    work = f"{imap.prefix}Work"
    imap.other.create(work)
    for number in range(8):
        imap.deliver(f"m{number}", flags="\\Seen" if number % 2 else "")
    assert imap.sync(SyncType.INITIAL) == "completed"
    assert imap.is_exact()
    before = dict(imap.rows(NUMBERS))

    imap.command("INBOX", ("STORE", "1:2", "+FLAGS", "(\\Flagged work)"))
    assert imap.sync() == "completed"
    if "CONDSTORE" in imap.capabilities:
        assert imap.is_exact()
    imap.command("INBOX", ("COPY", "3", work), ("STORE", "3,8", "+FLAGS", "\\Deleted"))
    imap.deliver("news")
    assert imap.sync() == "completed"
    if "CONDSTORE" in imap.capabilities:
        assert imap.is_exact()

    after = dict(imap.rows(NUMBERS))
    assert after.keys() == before.keys() - {"m7"} | {"news"}
    assert {name: after[name] for name in before if name != "m7"} == {
        name: number for name, number in before.items() if name != "m7"
    }


def test_messages_keep_their_rows_when_a_folder_is_renamed_or_numbered_anew(
    imap: ImapWorld,
) -> None:
    work, done = f"{imap.prefix}Work", f"{imap.prefix}Done"
    imap.other.create(work)
    for number in range(5):
        imap.deliver(f"m{number}", work)
    assert imap.sync(SyncType.INITIAL) == "completed"
    before = dict(imap.rows(NUMBERS))
    assert len(imap.fetched) == len(before) == 5

    imap.server.doveadm(*NUMBER_ANEW, str(int(time.time()) + 1000), work)
    imap.fetched.clear()
    assert imap.sync() == "completed"
    assert imap.is_exact()
    assert (dict(imap.rows(NUMBERS)), imap.fetched) == (before, [])

    imap.other.rename(work, done)
    assert imap.sync() == "completed"
    assert imap.is_exact()
    assert (dict(imap.rows(NUMBERS)), imap.fetched) == (before, [])
