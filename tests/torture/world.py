"""A mailbox on the real simulators, a mirror of it in real Postgres, and syncs that may die."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

from moto.server import ThreadedMotoServer

from localdev.engine.aws_resources import LOCAL_CREDENTIALS, make_aws_client
from localdev.engine.postgres import Postgres
from localdev.simulators import CLIENT_ID, CLIENT_SECRET, SimulatedImapServerSettings, Simulators
from localdev.simulators.gmail.labels import CATEGORY_LABEL_IDS, GmailLabels
from localdev.simulators.imap.options import (
    EXTENSIONS_EXCEPT_CONDSTORE_QRESYNC,
    EXTENSIONS_EXCEPT_QRESYNC,
    ImapOptions,
)
from localdev.simulators.imap.server import ImapServer
from localdev.simulators.mailbox import Mailbox
from mailsync.credentials import FixedAccessTokenSource
from mailsync.credentials.token_set import TokenSet, seal_password
from mailsync.credentials.vault import Vault
from mailsync.model import AccessToken, AccountId, Credentials, ProviderName
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.registry import GOOGLE
from mailsync.settings import Settings
from mailsync.store.connection import Connection, Database, connect
from mailsync.store.credential_store import CredentialStore
from mailsync.store.migrate import apply_migrations
from tests.support.comparison import ProviderForm
from tests.support.databases import copy_database
from tests.support.gmail_form import GmailForm
from tests.support.gmail_imap_form import GMAIL_OPTIONS, GmailImapForm
from tests.support.imap_form import ImapForm
from tests.support.outlook_form import OutlookForm
from tests.support.toy_form import ToyForm
from tests.support.toy_provider import KINDS as TOY_KINDS
from tests.support.toy_provider import TOY, ToyProvider
from tests.torture.orders import Ending, Order
from tests.torture.random_changes import GMAIL_CHANGES, IMAP_CHANGES

GRAPH, GMAIL, GMAIL_API = "graph", "imap gmail", "gmail"
IMAP_KINDS = {
    "imap qresync": ImapOptions(),
    "imap condstore": ImapOptions(
        extensions=EXTENSIONS_EXCEPT_QRESYNC, prefix="INBOX.", separator="."
    ),
    "imap plain": ImapOptions(extensions=EXTENSIONS_EXCEPT_CONDSTORE_QRESYNC, separator="."),
    GMAIL: GMAIL_OPTIONS,
}
"""What the simulated IMAP server offers, by the kind of provider."""
CHANGES_BY_IMAP_KIND = {**dict.fromkeys(IMAP_KINDS, IMAP_CHANGES), GMAIL: GMAIL_CHANGES}
"""What may happen in the mailbox of a history."""


@dataclass(frozen=True)
class Mirror:
    """One database with one connected account, and the mailbox that it shall equal. kind: of its
    provider."""

    mailbox: Mailbox
    account_id: str
    database: str
    form: ProviderForm
    kind: str = GRAPH


class World:
    """Servers and processes that all syncs of a torture share; a context manager."""

    def __init__(self, postgres: Postgres, folder: Path) -> None:
        self._postgres = postgres
        self._servers = ExitStack()
        self._names = (f"torture_{token_hex(3)}_{number}" for number in count(1))
        self.simulators = Simulators(folder, imap_ports=SimulatedImapServerSettings())

    def __enter__(self) -> Self:
        with ExitStack() as servers:
            servers.enter_context(self.simulators)
            self._admin = servers.enter_context(closing(self._connect("postgres")))
            # Only processes of the product die here, never the server.
            self._admin.run("ALTER SYSTEM SET fsync = off")
            self._admin.run("SELECT pg_reload_conf()")
            self._environment = {
                **LOCAL_CREDENTIALS,
                **self._serve_keys(servers),
                **self._provider(),
                "POWERTOOLS_METRICS_DISABLED": "true",
            }
            self._syncs = servers.enter_context(_sync_processes())
            self._template = self._create("template1")
            apply_migrations(Settings({"DATABASE_URL": self._url(self._template)}))
            self._servers = servers.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.close()

    @contextmanager
    def connected(self, mailbox: Mailbox, kind: str = GRAPH) -> Iterator[Mirror]:
        """A database in which the mailbox is connected and not yet synced; dropped afterwards."""
        name = self._create(self._template)
        self._imap.options_by_user_id[mailbox.user_id] = IMAP_KINDS.get(kind, ImapOptions())
        with closing(Database(Settings({"DATABASE_URL": self._url(name)}))) as opened:
            store = CredentialStore(opened)
            account_id = store.connect_account(
                user_id="ann",
                email_address=mailbox.address,
                seal=self._sealing(mailbox, kind, store),
                **self._identity(mailbox, kind),
            )
        try:
            yield Mirror(mailbox, account_id, name, _form(mailbox, kind), kind)
        finally:
            # What was killed may still be connected.
            self._admin.run(f"DROP DATABASE {name} WITH (FORCE)")

    def sync(self, mirror: Mirror, toy_round: Any = None, **fields: Any) -> Ending:
        """Runs one sync in another process; `fields` are those of an Order."""
        plan = {"lies": [], "meanwhile": {}, "page": 100, **(toy_round or {})}
        environment = {
            **self._environment,
            "DATABASE_URL": self._url(mirror.database),
            "TOY": f"{self.simulators.service.data / 'microsoft.sqlite'}|{mirror.kind}",
            "TOY_ROUND": json.dumps(plan),
        }
        order = Order(environment=environment, account_id=mirror.account_id, **fields)
        return self._syncs(order)

    def opened(self, mirror: Mirror) -> AbstractContextManager[Connection]:
        """A connection to the mirror's database, past the product."""
        return closing(self._connect(mirror.database))

    def _connect(self, database: str) -> Connection:
        return connect(Settings({"DATABASE_URL": self._url(database)}))

    def _create(self, template: str) -> str:
        name = next(self._names)
        copy_database(self._admin, template, name)
        return name

    def _url(self, database: str) -> str:
        before, _, socket = self._postgres.superuser_socket_url.partition("?")
        return f"{before.rpartition('/')[0]}/{database}?{socket}"

    def _serve_keys(self, servers: ExitStack) -> dict[str, str]:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for every request
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        servers.callback(server.stop)
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        self._kms = make_aws_client("kms", endpoint)
        key = self._kms.create_key()["KeyMetadata"]["Arn"]
        return {"AWS_ENDPOINT_URL": endpoint, "TOKEN_KEY_ARN": key}

    def _provider(self) -> dict[str, str]:
        return {
            "GRAPH_URL": self.simulators.graph_url,
            "MICROSOFT_AUTHORITY": self.simulators.entra_authority_url,
            "MICROSOFT_CLIENT_ID": CLIENT_ID,
            "MICROSOFT_CLIENT_SECRET": CLIENT_SECRET,
            "CA_BUNDLE": str(self.simulators.ca_bundle),
            "IMAP_SERVERS": f"localhost:{self._imap.tls_port}",
            "GMAIL_URL": self.simulators.gmail_url,
            "GOOGLE_IDENTITY_URL": self.simulators.google.base_url,
            "GOOGLE_CLIENT_ID": self.simulators.google.client_id,
            "GOOGLE_CLIENT_SECRET": self.simulators.google.client_secret,
            # Lies and deaths cost units, and time passes in the tables only.
            "GMAIL_UNITS_PER_MINUTE": "100000000",
            "GMAIL_PROJECT_UNITS_PER_MINUTE": "100000000",
        }

    @property
    def _imap(self) -> ImapServer:
        assert self.simulators.imap
        return self.simulators.imap

    def _identity(self, mailbox: Mailbox, kind: str) -> dict[str, Any]:
        if kind in IMAP_KINDS:
            has_labels = kind == GMAIL
            address = ImapMailboxLocation(
                "localhost", self._imap.tls_port, mailbox.address, has_labels
            )
            return {"provider": ProviderName("imap"), "provider_account_id": address.to_remote_id()}
        if kind == GMAIL_API:
            return {"provider": GOOGLE, "provider_account_id": mailbox.user_id}
        provider = TOY.provider_name if kind in TOY_KINDS else ProviderName("microsoft")
        return {"provider": provider, "provider_account_id": mailbox.user_id}

    def _sealing(
        self, mailbox: Mailbox, kind: str, store: CredentialStore
    ) -> Callable[[AccountId], Credentials]:
        key = Vault(
            self._environment["TOKEN_KEY_ARN"], store, self._kms
        ).find_or_make_newest_sealing_key()
        if kind not in (GRAPH, GMAIL_API):
            return lambda account_id: seal_password(account_id, self._imap.password, key)
        lifetime = timedelta(days=90)
        if kind == GMAIL_API:
            for each in CATEGORY_LABEL_IDS:
                GmailLabels(mailbox).find_or_create_folder_number(each)
            token = self.simulators.gmail.tokens.issue_token(mailbox.user_id)
            tokens = TokenSet(
                AccessToken(token, datetime.now(UTC) + lifetime), renewal_grant="unused"
            )
            return lambda account_id: tokens.seal_tokens_for_account(account_id, key)
        token = self.simulators.issue_microsoft_access_token(
            mailbox, lifetime_s=int(lifetime.total_seconds())
        )
        access = AccessToken(token, datetime.now(UTC) + lifetime)
        tokens = TokenSet(access, renewal_grant=self._grant(mailbox))
        return lambda account_id: tokens.seal_tokens_for_account(account_id, key)

    def _grant(self, mailbox: Mailbox) -> str:
        """What a refused token is renewed with."""
        consents, address = self.simulators.entra.consents, "http://localhost"
        scope = "Mail.ReadWrite User.Read offline_access openid profile"
        code = consents.issue_authorization_code(
            user_id=mailbox.user_id, scope=scope, redirect_uri=address, challenge=None, nonce=None
        )
        consent_id, _ = consents.redeem_authorization_code(
            code, redirect_uri=address, verifier=None
        )
        return consents.issue_refresh_token(consent_id)


def _form(mailbox: Mailbox, kind: str) -> ProviderForm:
    if kind == GRAPH:
        return OutlookForm(mailbox)
    if kind == GMAIL_API:
        return GmailForm(mailbox)
    if kind == GMAIL:
        return GmailImapForm(mailbox)
    if kind in IMAP_KINDS:
        return ImapForm(mailbox, IMAP_KINDS[kind])
    access = FixedAccessTokenSource(AccessToken("", datetime.now(UTC)))
    message_id = ToyProvider(mailbox, access, kind).message_id
    return ToyForm(mailbox, message_id, has_versions=kind != "listing")


@contextmanager
def _sync_processes() -> Iterator[Callable[[Order], Ending]]:
    """What runs an order and returns how it ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.torture.sync_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdin
    assert process.stdout
    orders, answers = process.stdin, process.stdout

    def run(order: Order) -> Ending:
        print(json.dumps(asdict(order)), file=orders, flush=True)
        return Ending(**json.loads(answers.readline()))

    try:
        yield run
    finally:
        orders.close()
        process.wait()
        answers.close()
