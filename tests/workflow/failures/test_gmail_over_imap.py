"""A Gmail mailbox over IMAP is read as one, through the real workflow: each mail is one row in the
folders of its labels, and whatever changes but its contents, its text is fetched once."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from localdev.mail.generate import generate_mail_items
from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.imap.store import ImapMailbox as SimulatedImapMailbox
from mailsync.credentials import FixedAccessTokenSource
from mailsync.model import NO_EXPIRY, AccessToken, Message, RemoteId, SyncType
from mailsync.providers import MailProvider
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.providers.imap.gmail_mailbox import GmailImapMailbox
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.servers import AllowedServers
from mailsync.store.connection import Database, connect
from mailsync.sync.check import CheckOutcome
from tests.support.comparison import divergences
from tests.support.field_imap import ALWAYS
from tests.support.gmail_imap_form import GMAIL_OPTIONS, GmailImapForm
from tests.support.mail import a_mail
from tests.support.scripted_imap import Rule, ScriptedImap, replacing, scripted_imap, without
from tests.workflow.failures.world import World

LABELS = ("Work", "Work/Deep", "Grüße", "2024", "NIL", 'a "b" \\c', "Archive")
MESSAGES = 21
ROWS = "SELECT subject, id FROM mailsync.emails"
REPAIRS = "SELECT sum(repair_rounds)::int FROM mailsync.sync_runs"
MISPLACED = """
SELECT m.subject FROM mailsync.emails m
 WHERE m.removed_at IS NULL AND NOT EXISTS (
       SELECT FROM mailsync.email_placements p
        WHERE p.email_id = m.id AND p.folder_id = m.folder_id)"""
HIDDEN = "SELECT count(*) FROM mailsync.emails WHERE removed_at IS NOT NULL"
LAST_ERROR = "SELECT last_error_message FROM mailsync.email_accounts"
PER_FOLDER = "SELECT f.remote_id, f.total, f.remote_total FROM mailsync.email_folders f"
_numbers = count()


class GmailWorld(World):
    """fetched: the ids of the messages whose text the server sent. script: a server in front of the
    simulated one, which lies as its rules say. kind: how the account is read."""

    script: ScriptedImap
    fetched: list[RemoteId]
    kind: type[ImapMailbox] = GmailImapMailbox

    def provider(self, *_: object) -> MailProvider:
        assert self.simulators.imap
        access = FixedAccessTokenSource(AccessToken(self.simulators.imap.password, NO_EXPIRY))
        servers = AllowedServers(
            frozenset({f"localhost:{self.script.port}"}), is_any_public_server_allowed=False
        )
        context = ssl.create_default_context(cafile=self.script.certificate)
        address = ImapMailboxLocation("localhost", self.script.port, self.remote.address)
        mailbox = self.kind(address, access, servers, context)
        fetch = mailbox.fetch_messages

        def counted(ids: Sequence[RemoteId], **named: bool) -> Any:
            found = fetch(ids, **named)
            self.fetched += [each.remote_id for each in found if isinstance(each, Message)]
            return found

        mailbox.fetch_messages = counted  # type: ignore[method-assign]
        return mailbox

    def label(self, name: str) -> int:
        return self.remote.find_or_create_folder(tuple(name.split("/")))

    def is_exact(self) -> bool:
        """Rows, folders and counts; shows the difference when it is asserted."""
        with closing(connect(self.settings)) as tables:
            assert divergences(tables, self.account_id, self.remote, self.form) == []
        assert self.rows(MISPLACED) == []
        return True

    def stays_exact(self, change: Callable[[], object]) -> bool:
        """After the change and a sync: with the rows of before, and without a text fetched."""
        rows = self.rows(ROWS)
        self.fetched.clear()
        change()
        assert self.mirrors()
        assert (sorted(self.rows(ROWS)), self.fetched) == (sorted(rows), [])
        return self.is_exact()


@pytest.fixture(scope="module")
def imap_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    with Simulators(
        tmp_path_factory.mktemp("imap"), imap_ports=SimulatedImapServerSettings()
    ) as running:
        yield running


@pytest.fixture
def connected(
    request: pytest.FixtureRequest,
    imap_servers: Simulators,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[GmailWorld]:
    """A mailbox with mail under many labels, connected and not yet synced."""
    prepared, shared = map(request.getfixturevalue, ("prepared", "shared"))
    prepared.connected.restore()
    mailbox = imap_servers.find_or_create_mailbox(f"gmail{next(_numbers)}@example.com")
    mail = generate_mail_items(MESSAGES, owner=mailbox.address)
    folders = ((), ("Work",), ("Archive", "Old"))
    mailbox.import_mail_items(replace(each, folder=folders[at % 3]) for at, each in enumerate(mail))
    assert imap_servers.imap
    imap_servers.imap.options_by_user_id[mailbox.user_id] = GMAIL_OPTIONS
    behind = (imap_servers.imap.tls_port, imap_servers.imap.certificate)
    with ExitStack() as opened:
        database = opened.enter_context(closing(Database(shared)))
        world = GmailWorld(imap_servers, mailbox, shared, database, prepared.account_id)
        world.form, world.fetched = GmailImapForm(mailbox), []
        world.script = opened.enter_context(scripted_imap(tmp_path, behind=behind))
        world.install(monkeypatch)
        yield world


@pytest.fixture
def gmail(connected: GmailWorld) -> GmailWorld:
    """The same, synced."""
    assert connected.mirrors(SyncType.INITIAL)
    assert connected.is_exact()
    return connected


def test_a_mail_with_seven_labels_is_one_row_and_its_text_is_fetched_once(
    gmail: GmailWorld,
) -> None:
    box, number = gmail.remote, gmail.newest()
    assert len(gmail.rows(ROWS)) == len(set(gmail.fetched)) == MESSAGES
    labels = [gmail.label(each) for each in LABELS]
    assert gmail.sync() == "completed"

    for change in (
        *(partial(box.add_message_to_folder, number, each) for each in labels),
        partial(box.remove_message_from_folder, number, labels[0]),
        partial(box.remove_message_from_folder, number, "inbox"),
        *(partial(box.remove_message_from_folder, number, each) for each in labels[1:-1]),
        partial(box.move_message, number, "archive"),
        partial(box.add_message_to_folder, number, labels[2]),
    ):
        assert gmail.stays_exact(change)
    assert gmail.one(HIDDEN) == [0]


@pytest.mark.parametrize("role", ["trash", "junk"])
def test_a_mail_in_the_trash_or_in_junk_is_there_only_and_comes_back_with_its_labels(
    gmail: GmailWorld, role: str
) -> None:
    box, number = gmail.remote, gmail.newest()
    assert gmail.stays_exact(lambda: box.add_message_to_folder(number, gmail.label("Work")))

    assert gmail.stays_exact(lambda: box.move_message(number, role, source="inbox"))
    assert gmail.stored()[gmail.id_of(number)]["folders"] == [gmail.folder_id(role)]
    assert gmail.stays_exact(lambda: box.move_message(number, "inbox", source=role))

    assert len(gmail.stored()[gmail.id_of(number)]["folders"]) == 3


def test_a_label_is_renamed_and_deleted_without_its_mail(gmail: GmailWorld) -> None:
    box, number = gmail.remote, gmail.label("Work")
    by_name = SimulatedImapMailbox(box, GMAIL_OPTIONS)

    assert gmail.stays_exact(lambda: box.rename_folder(number, "Arbeit"))
    assert gmail.stays_exact(lambda: by_name.delete_folder("Arbeit"))

    assert gmail.one(HIDDEN) == [0]
    assert len(gmail.stored()) == MESSAGES


def test_flags_are_those_of_the_mail_and_fetch_nothing(gmail: GmailWorld) -> None:
    box, number = gmail.remote, gmail.newest()
    change = partial(box.change_message_fields, number)

    for fields in (
        {"is_read": not box.find_message(number).is_read},
        {"is_flagged": True},
        {"importance": "high"},
        {"importance": "normal", "categories": ("Travel",)},
        {"is_flagged": False},
    ):
        assert gmail.stays_exact(partial(change, **fields))


@pytest.mark.parametrize("arrivals", [0, 1])
def test_a_mail_that_is_deleted_for_good_is_hidden_and_deleted_later(
    gmail: GmailWorld, arrivals: int
) -> None:
    """The page says that it is gone, unless another mail has arrived in junk at the same time."""
    for _ in range(arrivals):
        gmail.remote.deliver_message(a_mail("spam"), "junk")
    gmail.remote.delete_message_from_database(gmail.newest())
    assert gmail.mirrors()
    assert (gmail.one(HIDDEN), gmail.one(REPAIRS)) == ([1], [arrivals])

    gmail.let_time_pass(hours=2.1)
    assert gmail.mirrors()

    assert (gmail.one(HIDDEN), len(gmail.rows(ROWS))) == ([0], MESSAGES - 1 + arrivals)
    assert gmail.is_exact()


@pytest.mark.parametrize("folder", ["archive", "trash", None])
def test_folders_that_are_numbered_anew_are_listed_and_nothing_is_fetched(
    gmail: GmailWorld, folder: str | None
) -> None:
    gmail.remote.move_message(gmail.newest(), "trash")
    assert gmail.mirrors()

    assert gmail.stays_exact(lambda: gmail.remote.expire_cursors(folder))


def test_a_check_in_which_nothing_happened_opens_no_folder(gmail: GmailWorld) -> None:
    gmail.remote.deliver_message(a_mail("news"))
    gmail.check_to_the_end()
    assert gmail.is_exact()
    gmail.check_to_the_end()
    gmail.script.commands.clear()

    assert gmail.check().outcome is CheckOutcome.NOTHING_NEW

    assert not [each for _, each in gmail.script.commands if each.startswith(("EXAM", "UID"))]


def test_a_change_that_the_server_shows_later_than_its_number_is_not_missed(
    gmail: GmailWorld,
) -> None:
    gmail.remote.set_message_flagged(gmail.newest())
    gmail.script.rules[:] = [Rule("^UID FETCH .*CHANGEDSINCE", without("FETCH"))]
    assert gmail.sync() == "completed"
    assert gmail.stored() != gmail.in_mailbox()

    assert gmail.stays_exact(lambda: None)


def _status(name: str, value: bytes) -> list[Rule]:
    return [Rule("^(EXAMINE|LIST|STATUS)", replacing(rf"{name} \d+", value), ALWAYS)]


LIES: dict[str, Callable[[], list[Rule]]] = {
    "short lists": lambda: [Rule("^UID SEARCH", replacing(r"^(\* SEARCH) \d+", rb"\1"), ALWAYS)],
    "a UID is left out": lambda: [Rule("^UID FETCH", without(r"\* 3 FETCH"), ALWAYS)],
    "no ids": lambda: [Rule("^UID FETCH", replacing(r"X-GM-MSGID \d+ ?", b""), ALWAYS)],
    "no labels": lambda: [Rule("^UID FETCH", replacing(r"X-GM-LABELS \(.*?\) ?", b""), ALWAYS)],
    "the mod-sequence goes back": lambda: _status("HIGHESTMODSEQ", b"HIGHESTMODSEQ 1"),
    "UIDNEXT goes back": lambda: _status("UIDNEXT", b"UIDNEXT 1"),
    "All Mail is missing": lambda: [Rule("^LIST", without("All Mail"), ALWAYS)],
    "the trash is missing": lambda: [Rule("^LIST", without("Trash"), ALWAYS)],
    "no extension": lambda: [Rule("^(LOGIN|AUTH|CAPA)", replacing(" X-GM-EXT-1", b""), ALWAYS)],
    "CHANGEDSINCE is rejected": lambda: [
        Rule("^UID FETCH .*CHANGEDSINCE", b"{tag} BAD Unknown\r\n", ALWAYS)
    ],
    "messages are not found": lambda: [Rule("X-GM-MSGID", b"* SEARCH\r\n{tag} OK\r\n", ALWAYS)],
}


@pytest.mark.long
@pytest.mark.parametrize("lie", LIES)
def test_a_wrong_answer_deletes_nothing_and_is_mended(gmail: GmailWorld, lie: str) -> None:
    box = gmail.remote
    first, second, binned = (
        each.message_number for each in box.list_messages_in_folders("inbox")[:3]
    )
    box.move_message(binned, "trash")
    assert gmail.mirrors()
    rows = dict(gmail.rows(ROWS))
    box.move_message(first, "trash")
    box.set_message_flagged(second)
    box.deliver_message(a_mail("news"))
    gmail.script.rules[:] = LIES[lie]()

    for _ in range(2):
        assert gmail.sync() != "completed" or not lie.startswith("no ")
        shown, held = gmail.stored(), gmail.in_mailbox()
        for key in (gmail.id_of(binned), gmail.id_of(second)):
            found = shown.get(key, {}).get("folders")
            assert found == held[key]["folders"] or lie == "short lists"
        assert shown == held or "goes back" not in lie
        gmail.let_time_pass(hours=2.1)
    gmail.script.rules.clear()
    gmail.fetched.clear()
    assert gmail.sync() == "completed"
    gmail.let_time_pass(hours=2.1)

    assert gmail.mirrors(SyncType.FULL)
    assert gmail.is_exact()
    assert rows.items() <= dict(gmail.rows(ROWS)).items()
    assert len(gmail.fetched) <= 3


def test_a_mailbox_without_all_mail_says_where_to_show_it(connected: GmailWorld) -> None:
    connected.script.rules[:] = [
        Rule("^LIST", without("All Mail"), ALWAYS),
        Rule("^(STATUS|EXAMINE).*All Mail", b"{tag} NO [NONEXISTENT] Unknown Mailbox\r\n", ALWAYS),
    ]

    assert connected.sync(SyncType.INITIAL) == "ProviderUnavailable"

    assert "Switch on 'Show in IMAP' for All Mail" in connected.one(LAST_ERROR)[0]


def test_mail_without_a_selected_label_is_not_fetched(gmail: GmailWorld) -> None:
    archived = gmail.remote.list_messages_in_folders(gmail.label("Work"))[0].message_number
    gmail.rows("UPDATE mailsync.email_folders SET selected = remote_id = 'INBOX' RETURNING 1")
    for _ in range(2):
        assert gmail.sync(SyncType.FULL) == "completed"
        gmail.let_time_pass(hours=25)
    gmail.fetched.clear()
    gmail.remote.set_message_flagged(archived)
    assert gmail.sync(SyncType.FULL) == "completed"
    assert gmail.fetched == []
    inbox = {
        gmail.id_of(each.message_number) for each in gmail.remote.list_messages_in_folders("inbox")
    }
    assert gmail.stored().keys() == inbox

    gmail.remote.move_message(archived, "inbox")
    assert gmail.sync() == "completed"

    assert gmail.fetched == [gmail.id_of(archived)]


def test_an_account_of_the_earlier_way_stays_exact_in_that_way(connected: GmailWorld) -> None:
    """Each label is a folder of its own there, and a mail in two folders is two rows."""
    connected.kind = ImapMailbox
    for change in (
        lambda: None,
        lambda: connected.remote.deliver_message(a_mail("news")),
        lambda: connected.remote.add_message_to_folder(connected.newest(), connected.label("Work")),
    ):
        change()
        assert connected.sync() == "completed"
        folders = {
            each.name: each.simulated_folder.total
            for each in SimulatedImapMailbox(connected.remote, GMAIL_OPTIONS).list_folders()
            if not each.always_listed_attributes
        }
        assert {name: total for name, total, _ in connected.rows(PER_FOLDER)} == folders
        assert len(connected.rows(ROWS)) == sum(folders.values())
