"""A mailbox on a real IMAP server, and the workflow that mirrors it."""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from imaplib import IMAP4_SSL
from typing import Any

import pytest

from mailsync.credentials import FixedAccessTokenSource
from mailsync.model import AccessToken, Message, RemoteId
from mailsync.providers import MailProvider
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.servers import AllowedServers
from mailsync.store.connection import Database
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.scripted_imap import ScriptedImap
from tests.workflow.failures.world import World

ROWS = """
SELECT f.remote_id, m.subject, m.is_read, m.is_flagged, m.categories::text, b.text
  FROM mailsync.emails m
  JOIN mailsync.email_placements p ON p.email_id = m.id
  JOIN mailsync.email_folders f ON f.id = p.folder_id
  LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id
 WHERE m.removed_at IS NULL AND f.gone_at IS NULL"""
NUMBERS = "SELECT subject, id FROM mailsync.emails WHERE removed_at IS NULL"


@contextmanager
def imap_world(
    request: pytest.FixtureRequest,
    server: Dovecot,
    script: ScriptedImap | None = None,
    **options: str,
) -> Iterator["ImapWorld"]:
    """An account on the server that is connected and not yet synced. The script stands in front.

    options: `user`, `prefix` and `separator`.
    """
    simulators, prepared, shared, monkeypatch = map(
        request.getfixturevalue, ("simulators", "prepared", "shared", "monkeypatch")
    )
    prepared.connected.restore()
    with closing(Database(shared)) as database:
        world = ImapWorld(simulators, prepared.remote, shared, database, prepared.account_id)
        world.server, world.script, world.fetched = server, script, []
        for name, value in options.items():
            setattr(world, name, value)
        world.other = server.other_client(world.user)
        world.install(monkeypatch)
        yield world
        world.other.logout()


class ImapWorld(World):
    """other: another client of the mailbox. fetched: the ids of the messages whose text the server
    sent. script: a server in front of the real one, which lies as its rules say."""

    server: Dovecot
    other: IMAP4_SSL
    fetched: list[RemoteId]
    user = "ann"
    prefix = ""
    separator = "/"
    script: ScriptedImap | None = None

    @property
    def capabilities(self) -> tuple[str, ...]:
        return tuple(self.other.capability()[1][0].decode().split())

    def provider(self, *_: object) -> MailProvider:
        access = FixedAccessTokenSource(AccessToken(PASSWORD, datetime.max.replace(tzinfo=UTC)))
        asked = self.script or self.server
        servers = AllowedServers(
            frozenset({f"localhost:{asked.port}"}), is_any_public_server_allowed=False
        )
        context = ssl.create_default_context(cafile=asked.certificate)
        mailbox = ImapMailbox(
            ImapMailboxLocation("localhost", asked.port, self.user), access, servers, context
        )
        fetch = mailbox.fetch_messages

        def counted(ids: Sequence[RemoteId], **named: bool) -> Any:
            found = fetch(ids, **named)
            self.fetched += [each.remote_id for each in found if isinstance(each, Message)]
            return found

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

    def number_anew(self, folder: str, uid_validity: object) -> None:
        """Give a folder another UIDVALIDITY, and let the other client begin a new session.

        Dovecot keeps the indexes of the last folders that a session closed. If one is reset and the
        session opens its folder again, Dovecot ends the session, at the latest after the next
        command (mail-index-alloc-cache.c of Dovecot 2.3: 3 indexes for 10 s).
        """
        self.other.logout()
        command = ("mailbox", "update", "-u", self.user, "--uid-validity")
        self.server.doveadm(*command, str(uid_validity), folder)
        self.other = self.server.other_client(self.user)

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
            self.other.close()  # Dovecot ends a session whose folder is numbered anew
