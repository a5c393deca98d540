"""A mailbox on a server like each of the well-known ones is mirrored exactly, as far as the server
shows it."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from localdev.mail.generate import generate_mail_items
from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.entra.tokens import OUTLOOK_AUDIENCE
from localdev.simulators.imap.options import GMAIL_CAPABILITY
from localdev.simulators.imap.server import SCOPES_THAT_PERMIT_IMAP
from mailsync.credentials import FixedAccessTokenSource
from mailsync.model import NO_EXPIRY, AccessToken, SyncType
from mailsync.providers import MailProvider
from mailsync.providers.imap import changes
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.providers.imap.gmail_mailbox import GmailImapMailbox
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.servers import AllowedServers
from mailsync.store.connection import Database
from tests.support.comparison import in_mailbox, stored
from tests.support.gmail_imap_form import GmailImapForm
from tests.support.imap_form import ImapForm
from tests.support.imap_profiles import SERVER_PROFILES, CappedView, ServerProfile
from tests.support.mail import a_mail
from tests.support.scripted_imap import ScriptedImap, scripted_imap
from tests.workflow.failures.world import World

MAX_SHOWN = 12
_numbers = count()


class ProfileWorld(World):
    script: ScriptedImap
    profile: ServerProfile

    def provider(self, *_: object) -> MailProvider:
        servers = AllowedServers(
            frozenset({f"localhost:{self.script.port}"}), is_any_public_server_allowed=False
        )
        address = ImapMailboxLocation("localhost", self.script.port, self.remote.address)
        context = ssl.create_default_context(cafile=self.script.certificate)
        kind = GmailImapMailbox if isinstance(self.form, GmailImapForm) else ImapMailbox
        return kind(address, FixedAccessTokenSource(self._secret()), servers, context)

    def _secret(self) -> AccessToken:
        assert self.simulators.imap
        if self.profile.options.has_extension("AUTH=PLAIN"):
            return AccessToken(self.simulators.imap.password, NO_EXPIRY)
        token = self.simulators.issue_microsoft_access_token(
            self.remote, scope=SCOPES_THAT_PERMIT_IMAP[0], audience=OUTLOOK_AUDIENCE
        )
        return AccessToken(token, datetime.now(UTC) + timedelta(hours=1))

    def differences(self) -> dict[str, list[Any]]:
        """What differs between the rows and the mailbox, by the provider's id."""
        rows, held = stored(self.rows, self.account_id), in_mailbox(self.remote, self.form)
        return {
            key: [name for name in held.get(key, {"all": 0}) if _differs(rows, held, key, name)]
            for key in rows.keys() | held.keys()
            if any(_differs(rows, held, key, name) for name in held.get(key, {"all": 0}))
        }


def _differs(rows: Any, held: Any, key: str, name: str) -> bool:
    return key not in rows or key not in held or rows[key][name] != held[key][name]


@pytest.fixture(scope="module")
def imap_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    folder = tmp_path_factory.mktemp("imap")
    with Simulators(folder, imap_ports=SimulatedImapServerSettings()) as running:
        yield running


@pytest.fixture(params=SERVER_PROFILES)
def world(
    request: pytest.FixtureRequest,
    imap_servers: Simulators,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ProfileWorld]:
    """Sixty messages in a dozen folders on a server of the profile, not yet mirrored. Flags are
    compared at each reading where the server does not report their changes."""
    monkeypatch.setattr(changes, "MIN_TIME_BETWEEN_FLAG_COMPARISONS_S", 0)
    profile, prepared = SERVER_PROFILES[request.param], request.getfixturevalue("prepared")
    shared = request.getfixturevalue("shared")
    prepared.connected.restore()
    mailbox = imap_servers.find_or_create_mailbox(f"user{next(_numbers)}@example.com")
    mailbox.import_mail_items(generate_mail_items(60, owner=mailbox.address))
    assert imap_servers.imap
    imap_servers.imap.options_by_user_id[mailbox.user_id] = profile.options
    behind = (imap_servers.imap.tls_port, imap_servers.imap.certificate)
    with ExitStack() as opened:
        database = opened.enter_context(closing(Database(shared)))
        world = ProfileWorld(imap_servers, mailbox, shared, database, prepared.account_id)
        form = GmailImapForm if profile.options.has_extension(GMAIL_CAPABILITY) else ImapForm
        world.profile, world.form = profile, form(mailbox, profile.options)
        script = scripted_imap(tmp_path, *profile.rules(), behind=behind)
        world.script = opened.enter_context(script)
        world.install(monkeypatch)
        yield world


def test_a_mailbox_on_each_kind_of_server_is_mirrored_exactly(world: ProfileWorld) -> None:
    assert world.sync(SyncType.INITIAL) == "completed"
    assert world.differences() == {}
    before = dict(world.rows("SELECT message_id, id FROM mailsync.emails"))
    first, second, third, fourth = (
        each.message_number for each in world.remote.list_messages_in_folders("inbox")[:4]
    )
    world.remote.set_message_flagged(first)
    world.remote.move_message(second, "archive")
    world.remote.delete_message_from_database(third)
    world.remote.copy_message(fourth, "archive")
    world.remote.deliver_message(a_mail("news"))

    assert world.sync() == "completed"

    assert world.differences() == {}
    after = dict(world.rows("SELECT message_id, id FROM mailsync.emails"))
    assert before.items() <= after.items()  # what is gone is hidden
    assert len(after) == len(before) + 2, "no message was stored anew"


@pytest.mark.parametrize("world", ["Yahoo"], indirect=True)
def test_a_server_that_shows_the_newest_messages_only_is_mirrored_as_far_as_it_shows_them(
    world: ProfileWorld,
) -> None:
    world.script.rules[:] = CappedView(MAX_SHOWN).rules()

    assert world.sync(SyncType.INITIAL) == "completed"

    inbox = world.form.folder_id("inbox")
    held = world.in_mailbox()
    newest = sorted(
        (key for key, each in held.items() if each["folders"] == [inbox]),
        key=lambda key: int(key.rpartition(":")[2]),
    )[-MAX_SHOWN:]
    rows = stored(world.rows, world.account_id)
    assert {key for key, each in rows.items() if each["folders"] == [inbox]} == {*newest}
