"""IMAP keeps the contract of a provider: on a real Dovecot and on the simulated server, each with
and without CONDSTORE and QRESYNC, and with other prefixes and separators."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.imap.options import (
    EXTENSIONS_EXCEPT_CONDSTORE_QRESYNC,
    EXTENSIONS_EXCEPT_QRESYNC,
    ImapOptions,
)
from localdev.simulators.mailbox import Mailbox
from mailsync.errors import ProviderThrottled
from mailsync.providers.imap import changes
from tests.providers.contract.failure_promises import FailureContract
from tests.providers.contract.imap_server import ProxiedImap
from tests.providers.contract.promises import ProviderContract
from tests.support.dovecot import PASSWORD, Dovecot, dovecot
from tests.support.dovecot_mailbox import DovecotForm, DovecotMailbox
from tests.support.gmail_imap_form import GMAIL_OPTIONS, GmailImapForm
from tests.support.imap_form import ImapForm
from tests.support.scripted_imap import ScriptedImap, scripted_imap

PROFILES = {
    "QRESYNC": ImapOptions(),
    "CONDSTORE, INBOX.": ImapOptions(
        extensions=EXTENSIONS_EXCEPT_QRESYNC, prefix="INBOX.", separator="."
    ),
    "neither, .": ImapOptions(extensions=EXTENSIONS_EXCEPT_CONDSTORE_QRESYNC, separator="."),
}
MAX_USERS = 1_000
SPECIAL_USE = {"Drafts": "Drafts", "Sent Items": "Sent", "Deleted Items": "Trash"}
SPECIAL_USE |= {"Archive": "Archive", "Junk Email": "Junk"}
OpenDovecot = Callable[[ImapOptions], Dovecot]
_numbers = count()


def _user(number: int) -> str:
    return f"user{number}@example.com"


@pytest.fixture(scope="module")
def open_dovecot() -> Iterator[OpenDovecot]:
    """Starts a Dovecot with these options, once for all tests."""
    with ExitStack() as opened:
        folder = Path(
            opened.enter_context(TemporaryDirectory(prefix="imap", ignore_cleanup_errors=True))
        )
        folder.chmod(0o755)
        running: dict[ImapOptions, Dovecot] = {}

        def started(options: ImapOptions) -> Dovecot:
            if options not in running:
                extensions = [each for each in options.extensions if "=" not in each]
                without = [] if options.has_extension("QRESYNC") else ["IMAP4rev1", *extensions]
                marked = (
                    f'  mailbox "{name}" {{\n    special_use = \\{use}\n  }}'
                    for name, use in SPECIAL_USE.items()
                )
                server = dovecot(
                    folder / str(len(running)),
                    users=[_user(number) for number in range(MAX_USERS)],
                    prefix=options.prefix,
                    separator=options.separator,
                    capability=" ".join(each for each in without if each != "OBJECTID"),
                    mailboxes="\n".join(marked),
                )
                running[options] = opened.enter_context(server)
            return running[options]

        yield started


@pytest.fixture(scope="module")
def running() -> Iterator[Simulators]:
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Simulators(
            Path(folder), imap_ports=SimulatedImapServerSettings(password=PASSWORD)
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedImap]:
    with scripted_imap(tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def compares_flags_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CONDSTORE flags are compared once an hour; here at each reading."""
    monkeypatch.setattr(changes, "MIN_TIME_BETWEEN_FLAG_COMPARISONS_S", 0)


@pytest.fixture(
    params=[
        pytest.param(name, marks=() if name == "QRESYNC" else pytest.mark.long) for name in PROFILES
    ]
)
def options(request: pytest.FixtureRequest) -> ImapOptions:
    return PROFILES[request.param]


@pytest.fixture
def mailbox(simulators: Simulators) -> Mailbox:
    return simulators.find_or_create_mailbox(_user(next(_numbers)), "Ada")


class TestDovecot(ProviderContract, FailureContract):
    REFUSED_TOKEN = ProviderThrottled

    @pytest.fixture
    def server(
        self, open_dovecot: OpenDovecot, proxy: ScriptedImap, mailbox: Mailbox, options: ImapOptions
    ) -> Iterator[ProxiedImap]:
        real, user = open_dovecot(options), mailbox.address
        proxy.behind = (real.port, real.certificate)
        replayed = DovecotMailbox(mailbox, real, user, options)
        with closing(ProxiedImap(proxy, replayed, DovecotForm(replayed, options), user)) as server:
            yield server


class TestGmail(ProviderContract, FailureContract):
    """The simulated server with Gmail's extensions."""

    REFUSED_TOKEN = ProviderThrottled

    @pytest.fixture
    def server(
        self, simulators: Simulators, proxy: ScriptedImap, mailbox: Mailbox
    ) -> Iterator[ProxiedImap]:
        assert simulators.imap
        simulators.imap.options_by_user_id[mailbox.user_id] = GMAIL_OPTIONS
        proxy.behind = (simulators.imap.tls_port, simulators.imap.certificate)
        form = GmailImapForm(mailbox)
        with closing(ProxiedImap(proxy, mailbox, form, mailbox.address)) as server:
            yield server


class TestSimulatedServer(ProviderContract):
    """Without failures: the proxy makes them, in front of Dovecot as in front of this server."""

    @pytest.fixture
    def server(
        self, simulators: Simulators, proxy: ScriptedImap, mailbox: Mailbox, options: ImapOptions
    ) -> Iterator[ProxiedImap]:
        assert simulators.imap
        simulators.imap.options_by_user_id[mailbox.user_id] = options
        proxy.behind = (simulators.imap.tls_port, simulators.imap.certificate)
        form = ImapForm(mailbox, options)
        with closing(ProxiedImap(proxy, mailbox, form, mailbox.address)) as server:
            yield server
