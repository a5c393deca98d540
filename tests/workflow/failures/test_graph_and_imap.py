"""One mailbox through Microsoft Graph, IMAP and Gmail: rows are equal in all that can be expressed.
docs/imap.md and docs/gmail.md list the rest."""

import json
import random
import re
import ssl
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from localdev.mail.generate import generate_mail_items
from localdev.mail.item import MailItem
from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.graph.properties import text_to_html
from localdev.simulators.imap.flags import keyword_of_category
from localdev.simulators.imap.options import EXTENSIONS_EXCEPT_QRESYNC, ImapOptions
from localdev.simulators.mailbox import Mailbox
from mailsync.credentials import FixedAccessTokenSource
from mailsync.model import AccessToken, ProviderName
from mailsync.providers import MailProvider
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.servers import AllowedServers
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from tests.store.rows import rows
from tests.torture.random_changes import KINDS, Change
from tests.workflow.failures.gmail_world import GmailWorld
from tests.workflow.failures.world import World

ADDRESS = "ann@example.com"
PASSWORD = "secret"
OURS = {
    "id", "account_id", "folder_id", "email_id", "feed_id", "created_at", "updated_at", "walk",
    "row_hash", "body_hash", "version", "verified_at", "compared_at", "active_at", "list_total",
    "list_unread",
}  # fmt: skip
"""Columns that say nothing about the mail. All others are compared, also those to come."""
OF_ONE_PROVIDER = {
    "message_id": "each has ids of its own",
    "remote_id": "each has ids of its own",
    "parent_remote_id": "each has ids of its own; the folders' paths are equal",
    "modified_at": "IMAP has no such time",
    "web_link": "IMAP has no links",
    "hidden": "IMAP has no hidden folders",
}
"""docs/imap.md has the same list, and what `in_common` makes equal."""
NOT_IN_GMAIL = {"categories": "Gmail has none"}
"""docs/gmail.md has the same list, and what `in_gmail` makes equal."""
OF_OUTLOOK = ("Archive", "Conversation History", "Outbox")
"""Folders that are no labels. What is in them is in All Mail."""
SERVERS = (
    ImapOptions(),
    ImapOptions(extensions=EXTENSIONS_EXCEPT_QRESYNC),
    ImapOptions(prefix="INBOX.", separator="."),
)
FOLDERS = """
WITH RECURSIVE tree AS (
  SELECT f.*, f.display_name AS path FROM mailsync.email_folders f
   WHERE account_id = '{account}' AND parent_remote_id IS NULL
   UNION ALL
  SELECT f.*, t.path || '/' || f.display_name
    FROM mailsync.email_folders f JOIN tree t ON t.remote_id = f.parent_remote_id
   WHERE f.account_id = '{account}')
SELECT to_json(tree) FROM tree WHERE gone_at IS NULL"""
MESSAGES = """
SELECT to_jsonb(m) || to_jsonb(b)
       || jsonb_build_object('id', m.id, 'folders', ARRAY(
            SELECT p.folder_id FROM mailsync.email_placements p WHERE p.email_id = m.id))
  FROM mailsync.emails m LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id
 WHERE m.account_id = '{account}' AND m.removed_at IS NULL"""


class ImapWorld(World):
    def provider(self, *_: object) -> MailProvider:
        assert self.simulators.imap
        port = self.simulators.imap.tls_port
        access = FixedAccessTokenSource(AccessToken(PASSWORD, datetime.max.replace(tzinfo=UTC)))
        servers = AllowedServers(
            frozenset({f"localhost:{port}"}), is_any_public_server_allowed=False
        )
        context = ssl.create_default_context(cafile=self.simulators.imap.certificate)
        return ImapMailbox(
            ImapMailboxLocation("localhost", port, ADDRESS), access, servers, context
        )


@pytest.fixture
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    ports = SimulatedImapServerSettings(password=PASSWORD)
    with Simulators(tmp_path_factory.mktemp("both"), imap_ports=ports) as running:
        yield running


class PlainGmailWorld(GmailWorld):
    has_categories = False


@pytest.fixture
def worlds(simulators: Simulators, settings: Settings) -> Iterator[tuple[World, World, World]]:
    remote = simulators.find_or_create_mailbox(ADDRESS)
    with closing(Database(settings)) as database:
        graph, imap, gmail = (
            CredentialStore(database).connect_account(
                user_id="ann",
                provider=ProviderName(name),
                provider_account_id=remote.user_id,
                email_address=ADDRESS,
            )
            for name in ("microsoft", "imap", "google")
        )
        yield (
            World(simulators, remote, settings, database, graph),
            ImapWorld(simulators, remote, settings, database, imap),
            PlainGmailWorld(simulators, remote, settings, database, gmail),
        )


def folders_by_number(world: World) -> dict[int, dict[str, Any]]:
    found = rows(world.database, FOLDERS.format(account=world.account_id))
    return {each["id"]: in_common(each) for (each,) in found}


def messages(world: World) -> list[dict[str, Any]]:
    """Each message with the paths of its folders, and all Message-IDs of its conversation."""
    paths = {number: each["path"] for number, each in folders_by_number(world).items()}
    found = [row for (row,) in rows(world.database, MESSAGES.format(account=world.account_id))]
    ids = defaultdict(set)
    for each in found:
        ids[each["conversation_id"]].add(each["internet_message_id"])
    return [
        in_common(each)
        | {
            "folders": sorted(paths[number] for number in each["folders"]),
            "conversation_id": sorted(ids[each["conversation_id"]]),
        }
        for each in found
    ]


def in_common(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that both can express, in one form.

    Names of IMAP's keywords have neither blanks nor an order. Its inbox has a fixed name and its
    folders below the inbox stand at the top, none has the name of its sibling, and its outbox has
    no role. Graph's bodies are all HTML.
    """
    row = {name: it for name, it in row.items() if name not in OURS | OF_ONE_PROVIDER.keys()}
    if "categories" in row:
        row["categories"] = sorted(map(keyword_of_category, row["categories"]))
    if row.get("html") is None and row.get("text") is not None:
        row |= {"html": text_to_html(row["text"]), "text": None}
    if "path" in row:
        row["path"] = re.sub(
            "^(INBOX|Inbox)(/|$)", lambda it: "" if it[2] else "Inbox", row["path"]
        )
        row["path"] = re.sub(r" \d(?=/|$)", "", row["path"])
        row["display_name"] = row["path"].rpartition("/")[2]
    return row | ({"role": "other"} if row.get("role") == "outbox" else {})


def in_gmail(world: World) -> list[dict[str, Any]]:
    """The rows of a mailbox, in what Gmail can express as well.

    A folder is a label, and a folder with a role above it is no part of its name; All Mail and
    categories are left out. A draft is what is in Drafts, and no message is unimportant.
    """
    folders = folders_by_number(world).values()
    roles = {each["path"]: each["role"] for each in folders if each["role"] != "other"}
    names = {each["path"]: _label(each["path"], roles) for each in folders}
    shown = {path: name for path, name in names.items() if name}
    rows_of_folders = [
        each | {"path": shown[each["path"]], "display_name": shown[each["path"]]}
        for each in folders
        if each["path"] in shown
    ]
    return [*rows_of_folders, *(_in_gmail(each, shown) for each in messages(world))]


def _in_gmail(message: Mapping[str, Any], shown: Mapping[str, str]) -> dict[str, Any]:
    folders = sorted(shown[each] for each in message["folders"] if each in shown)
    return {
        **{name: it for name, it in message.items() if name not in NOT_IN_GMAIL},
        "folders": folders,
        "is_draft": "drafts" in folders,
        "importance": "high" if message["importance"] == "high" else "normal",
    }


def _label(path: str, roles: Mapping[str, str]) -> str | None:
    """The label of a folder; None: it has none."""
    if path in OF_OUTLOOK or path == "All Mail" or path.startswith("CATEGORY_"):
        return None
    if path in roles:
        return roles[path]
    parts = path.split("/")
    above = [at for at in range(1, len(parts)) if "/".join(parts[:at]) in roles]
    return "/".join(parts[max(above, default=0) :])


def in_graph_and_imap(world: World) -> list[dict[str, Any]]:
    return [*messages(world), *folders_by_number(world).values()]


def differences(worlds: Sequence[World]) -> list[str]:
    graph, imap, gmail = worlds
    return [
        *_differences(in_graph_and_imap, graph, imap, "IMAP"),
        *_differences(in_gmail, graph, gmail, "Gmail"),
    ]


def _differences(
    read: Callable[[World], list[dict[str, Any]]], graph: World, other: World, name: str
) -> Iterator[str]:
    ours, theirs = (
        Counter(json.dumps(row, sort_keys=True, ensure_ascii=False) for row in read(world))
        for world in (graph, other)
    )
    yield from (f"only through Graph, not {name}: {row}" for row in ours - theirs)
    yield from (f"only through {name}: {row}" for row in theirs - ours)


def sync(worlds: Sequence[World], patch: pytest.MonkeyPatch) -> None:
    for world in worlds:
        with patch.context() as now:
            world.install(now)
            assert world.sync() == "completed"


def change(remote: Mailbox, mail: Iterator[MailItem], chance: random.Random) -> None:
    """One change by the owner of the mailbox or by a sender."""
    made = Change(chance.choice(KINDS), chance.randrange(1000), chance.randrange(1000))
    if made.kind == "deliver" or chance.random() < 0.3:
        existing = remote.folders.list_all_folders()
        remote.deliver_message(next(mail), existing[made.where % len(existing)].number)
    else:
        made.apply(remote)


@pytest.mark.parametrize(
    "seed",
    [*range(len(SERVERS)), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 6))],
)
def test_a_history_gives_equal_rows_through_graph_imap_and_gmail(
    seed: int, worlds: Sequence[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    remote = worlds[0].remote
    assert worlds[0].simulators.imap
    worlds[0].simulators.imap.current_options = SERVERS[seed % len(SERVERS)]
    mail = generate_mail_items(200, owner=ADDRESS, seed=seed)
    remote.import_mail_items(islice(mail, 40))

    for _ in range(5):
        sync(worlds, monkeypatch)
        assert differences(worlds) == []
        for _ in range(6):
            change(remote, mail, chance)
