"""The changes of a folder over IMAP from servers that misbehave: pages name what changed, or leave
it to the verification, and never name what did not."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.imap.server import ImapServer
from localdev.simulators.mailbox import Mailbox
from mailsync.model import (
    Cursor,
    FolderTreeReadingMode,
    MessageRemovedFromFolder,
    MessageStateUpsert,
    Page,
    RemoteId,
)
from mailsync.providers.imap import provider
from mailsync.providers.imap.cursor import FolderPosition, parse_cursor
from mailsync.providers.imap.provider import ImapMailbox
from tests.support.builders import a_known_folder
from tests.support.dovecot import PASSWORD
from tests.support.field_imap import ALWAYS, FIELD_ROWS, adding
from tests.support.imap_client import RawImap
from tests.support.imap_mailbox import INBOX, open_imap_mailbox
from tests.support.mail import a_mail
from tests.support.scripted_imap import Rule, ScriptedImap, replacing, scripted_imap, without

COUNT = 12
OPENED = "^(SELECT|EXAMINE)"
Rules = Callable[[], Sequence[Rule]]


@dataclass
class Mirror:
    """What the pages of the inbox say that it holds: flags by id, as the product stores them.
    pages: those of the last reading."""

    client: ImapMailbox
    cursor: Cursor | None = None
    flags: dict[RemoteId, str] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)

    def read(self) -> None:
        self.pages = []
        has_more = True
        while has_more:
            page = self.client.fetch_feed_page(INBOX, self.cursor, limit=5)
            self.pages.append(page)
            self._apply(page)
            self.cursor, has_more = page.next_cursor, page.has_more

    def _apply(self, page: Page) -> None:
        if page.remote_ids_of_all_messages_of_feed is not None:
            self.flags = {
                each: it
                for each, it in self.flags.items()
                if each in page.remote_ids_of_all_messages_of_feed
            }
        for change in (*page.changes, *page.possibly_changed_message_states):
            if isinstance(change, MessageStateUpsert):
                self.flags[change.remote_id] = change.state.remote_version
            elif isinstance(change, MessageRemovedFromFolder):
                self.flags.pop(change.remote_id, None)

    @property
    def position(self) -> FolderPosition:
        assert self.cursor
        return parse_cursor(self.cursor)


@dataclass
class Played:
    """Twelve mails that are mirrored, and another client that changes them."""

    server: ScriptedImap
    mirror: Mirror
    other: RawImap

    def change_everything(self) -> None:
        """Change flags, add a message, and remove the newest known and an older one."""
        self._run("UID STORE {0} +FLAGS (\\Flagged)", 2)
        self._run("UID STORE {0} -FLAGS (\\Seen)", 3)
        self.deliver("new")
        for number in (11, 4):
            self._run("UID STORE {0} +FLAGS (\\Deleted)", number)
        assert self.other.command("EXPUNGE").status == "OK"

    def deliver(self, name: str) -> None:
        mail = f"From: a@example.com\r\nMessage-ID: <{name}@x>\r\n\r\n{name}\r\n".encode()
        assert self.other.command("APPEND INBOX {}", [mail]).status == "OK"

    def _run(self, command: str, number: int) -> None:
        uid = sorted(int(each.rpartition(":")[2]) for each in self.mirror.flags)[number]
        assert self.other.command(command.format(uid)).status == "OK"

    def on_server(self) -> dict[str, str]:
        """Flags by UID, as a server says that does not lie."""
        found = self.other.command("UID FETCH 1:* (FLAGS)")
        rows = [dict(zip(it[2][::2], it[2][1::2], strict=True)) for it in found.parsed()]
        return {
            str(each[b"UID"]): " ".join(sorted(flag.decode().lower() for flag in each[b"FLAGS"]))
            for each in rows
        }

    def mirrored(self) -> dict[str, str]:
        return {each.rpartition(":")[2]: flags for each, flags in self.mirror.flags.items()}

    def commands(self) -> list[str]:
        return [command for _, command in self.server.commands]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    ports = SimulatedImapServerSettings(password=PASSWORD)
    with Simulators(tmp_path_factory.mktemp("simulators"), imap_ports=ports) as running:
        yield running


@pytest.fixture
def imap(simulators: Simulators) -> ImapServer:
    assert simulators.imap
    return simulators.imap


@pytest.fixture
def played(imap: ImapServer, mailbox: Mailbox, tmp_path: Path) -> Iterator[Played]:
    for number in range(COUNT):
        mailbox.deliver_message(a_mail(f"mail {number}"))
    behind = (imap.tls_port, imap.certificate)
    with scripted_imap(tmp_path, behind=behind) as server, RawImap(*behind) as other:
        other.login(mailbox.address, PASSWORD)
        other.command("SELECT INBOX")
        client = open_imap_mailbox(server.port, server.certificate, mailbox.address, PASSWORD)
        mirror = Mirror(client)
        mirror.read()
        client.close()
        mirror.client = open_imap_mailbox(
            server.port, server.certificate, mailbox.address, PASSWORD
        )
        server.commands.clear()
        played = Played(server, mirror, other)
        assert played.mirrored() == played.on_server()
        yield played
        mirror.client.close()


def _rejected(pattern: str) -> Rules:
    return lambda: [Rule(pattern, b"{tag} BAD Unknown\r\n", ALWAYS)]


def _dies_above(count: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda found: found if len(found) <= count else [b"* BYE Out of memory"]


EXACT: dict[str, Rules] = {
    "no lie": lambda: [],
    **{f"row {number}": FIELD_ROWS[number] for number in (1, 2, 16, 17, 18, 20, 25, 26)},
    **{f"row {number}": FIELD_ROWS[number] for number in (28, 29, 30)},
    "no VANISHED": lambda: [Rule("VANISHED", without("VANISHED"), ALWAYS)],
    "CHANGEDSINCE rejected": _rejected("CHANGEDSINCE"),
    "ENABLE rejected": _rejected("^ENABLE"),
    "NOMODSEQ": lambda: [Rule(OPENED, replacing(r"HIGHESTMODSEQ \d+", b"NOMODSEQ"), ALWAYS)],
    "mod-sequence goes back": lambda: [
        Rule(OPENED, replacing(r"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ 1"), ALWAYS)
    ],
    "UIDNEXT too high": lambda: [
        *FIELD_ROWS[18](),
        Rule(OPENED, replacing(r"UIDNEXT \d+", b"UIDNEXT 4294967295"), ALWAYS),
    ],
    "mod-sequence too high": lambda: [
        Rule(OPENED, replacing(r"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ 900000000000000"), ALWAYS)
    ],
    "no mod-sequence that 64 bits hold": lambda: [
        Rule(OPENED, replacing(r"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ " + b"9" * 5_000), ALWAYS)
    ],
    "VANISHED of what exists": lambda: [
        Rule("CHANGEDSINCE", adding(b"* VANISHED (EARLIER) 1:743031307,4294967295"), ALWAYS)
    ],
    "no UIDVALIDITY in EXAMINE": lambda: [Rule(OPENED, without("UIDVALIDITY"), ALWAYS)],
    "lines in another order": lambda: [Rule("^UID", lambda it: [*it[-2::-1], it[-1]], ALWAYS)],
}
"""Lies that a page sees through by itself."""


@pytest.mark.parametrize("lie", EXACT)
def test_a_page_names_what_changed(played: Played, lie: str) -> None:
    played.change_everything()
    played.server.rules += EXACT[lie]()
    began = time.thread_time()

    played.mirror.read()

    assert time.thread_time() - began < 1
    assert played.mirrored() == played.on_server()
    played.server.rules.clear()
    played.deliver("newer")
    played.mirror.read()
    assert played.mirrored() == played.on_server()


UNSEEN: dict[str, Rules] = {
    "row 3": lambda: [Rule("^UID SEARCH", replacing(r" \d+$", b""), ALWAYS)],
    "an empty folder": lambda: [Rule("^UID (SEARCH|FETCH)", lambda it: it[-1:], ALWAYS)],
    "some changes are not named": lambda: [
        Rule("CHANGEDSINCE", lambda it: [*it[:-2], it[-1]], ALWAYS)
    ],
}
"""Lies that the numbers of the folder show, so that the verification compares it."""


@pytest.mark.parametrize("lie", UNSEEN)
def test_a_page_that_sees_too_little_takes_nothing_away(played: Played, lie: str) -> None:
    played.change_everything()
    there = played.on_server().keys()
    before = played.mirrored().keys()
    played.server.rules += UNSEEN[lie]()

    played.mirror.read()

    assert played.mirrored().keys() >= there & before


def test_a_message_that_a_repair_stored_ahead_of_the_cursor_is_removed(played: Played) -> None:
    assert INBOX.folder
    played.deliver("newer than the cursor")
    listing = played.mirror.client.list_folder_messages(INBOX.folder)
    newest = max(listing.messages, key=lambda it: int(it.remote_id.rpartition(":")[2])).remote_id
    played.mirror.flags[newest] = ""
    played._run("UID STORE {0} +FLAGS (\\Deleted)", COUNT)
    assert played.other.command("EXPUNGE").status == "OK"

    played.mirror.read()

    assert played.mirrored().keys() == played.on_server().keys()


def test_what_vanished_is_searched_for_and_not_counted_up(played: Played) -> None:
    """A server may name every UID that there can be in one line."""
    before = played.mirrored()
    far = 743_031_308
    position = replace(played.mirror.position, uid_next=far, mod_seq=1)
    played.mirror.cursor = position.to_cursor()
    played.server.rules += [
        Rule("CHANGEDSINCE", adding(b"* VANISHED (EARLIER) 1:4294967295"), ALWAYS),
        Rule(OPENED, replacing(r"UIDNEXT \d+", b"UIDNEXT %d" % far), ALWAYS),
    ]
    began = time.thread_time()

    played.mirror.read()

    assert time.thread_time() - began < 1
    assert played.mirrored() == before


def test_an_unchanged_folder_is_not_opened(played: Played) -> None:
    played.mirror.client.list_folders((), FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS)
    [page] = played.mirror.client.fetch_next_page_of_each_feed(
        [(INBOX, played.mirror.cursor)], limit=5
    ).values()

    assert (page.changes, page.next_cursor) == ((), played.mirror.cursor)
    assert not any(each.startswith("EXAMINE") for each in played.commands())
    played.change_everything()
    played.mirror.client.list_folders((), FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS)
    [page] = played.mirror.client.fetch_next_page_of_each_feed(
        [(INBOX, played.mirror.cursor)], limit=5
    ).values()
    assert page.changes


def test_a_server_that_dies_of_large_requests_gets_small_ones(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "MESSAGES_PER_SMALL_WINDOW", 4)
    played.server.rules.append(Rule(r"^UID FETCH \d+:\d+ \(UID FLAGS\)", _dies_above(5), ALWAYS))
    assert INBOX.folder

    listing = played.mirror.client.list_folder_messages(INBOX.folder)

    assert listing.is_complete
    assert len(listing.messages) == COUNT


LISTS: dict[int, tuple[Rules, set[str], set[str]]] = {
    6: (FIELD_ROWS[6], {"INBOX"}, set()),
    24: (FIELD_ROWS[24], {"INBOX", "Stray"}, {"Parent"}),
    47: (FIELD_ROWS[47], {"INBOX", "NIL"}, set()),
    48: (FIELD_ROWS[48], {"INBOX", "Sent Items"}, set()),
    49: (FIELD_ROWS[49], {"INBOX", 'INBOX/say "yes"'}, set()),
    50: (FIELD_ROWS[50], {"INBOX"}, {"Inbox"}),
}


@pytest.mark.parametrize("row", LISTS)
def test_rows_of_the_field_about_lists_of_folders(played: Played, row: int) -> None:
    rules, there, not_there = LISTS[row]
    played.server.rules += rules()

    listing = played.mirror.client.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS)

    names = [each.remote_id for each in listing.folders]
    assert there <= set(names)
    assert not not_there & set(names)
    assert len(names) == len(set(names))
    counts = {str(each.remote_id): each.message_count for each in listing.folders}
    assert counts["INBOX"] == COUNT
    assert set(listing.failure_reason_by_folder_remote_id) == {
        each for each, total in counts.items() if total is None
    }


def test_only_folders_of_the_owner_are_listed_and_gone_ones_are_requested_by_name(
    played: Played,
) -> None:
    played.server.rules += [
        Rule("^NAMESPACE", replacing(r"NIL NIL$", b'(("Other/" "/")) (("#shared/" "/"))'), ALWAYS),
        Rule("^LIST", adding(b'* LIST () "/" "Other/bob"', b'* LIST () "/" #shared/x'), ALWAYS),
        Rule("^LIST", without("Archive"), ALWAYS),
    ]
    known = [a_known_folder(at, name) for at, name in enumerate(("Archive", "Other/bob", "Lost"))]

    listing = played.mirror.client.list_folders(known, FolderTreeReadingMode.ALL_LISTED_FOLDERS)

    names = {each.remote_id for each in listing.folders}
    assert "INBOX" in names
    assert not names & {"Other/bob", "#shared/x"}
    assert listing.gone_folder_remote_ids == {"Other/bob", "Lost"}
    played.server.rules[1:] = [Rule("^LIST", without("LIST"), ALWAYS)]

    listing = played.mirror.client.list_folders(known, FolderTreeReadingMode.ALL_LISTED_FOLDERS)

    assert listing.gone_folder_remote_ids == frozenset()
    assert listing.existing_unlisted_folder_remote_ids == {"Archive", "Other/bob", "Lost"}
