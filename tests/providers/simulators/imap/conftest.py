"""A Dovecot and a simulated server that offer the same, and a mailbox of its own for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from localdev.simulators import Simulators
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.imap.server import ImapServer
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.imap.pair import PROFILES, Pair, Side
from tests.support.dovecot import PASSWORD, Dovecot, dovecot, readable_folder
from tests.support.imap_client import RawImap
from tests.support.mail import a_mail
from tests.support.scripted_imap import ScriptedImap, scripted_imap

MAX_MAILBOXES = 1000
_NUMBERS = count()


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder with a short path, which the user that runs Dovecot can enter."""
    with readable_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def dovecots(server_folder: Path) -> Iterator[dict[str, Dovecot]]:
    with ExitStack() as running:
        yield {
            name: running.enter_context(
                dovecot(
                    server_folder / str(number),
                    users=[_user(number) for number in range(MAX_MAILBOXES)],
                    prefix=options.prefix,
                    separator=options.separator,
                    capability=_capability(options),
                    mailboxes="",
                )
            )
            for number, (name, options) in enumerate(PROFILES.items())
        }


def _user(number: int) -> str:
    return f"user{number}@example.com"


def _capability(options: ImapOptions) -> str:
    if options.has_extension("QRESYNC"):
        return ""
    return " ".join(["IMAP4rev1", *(each for each in options.extensions if "=" not in each)])


@pytest.fixture
def simulators(running_imap: Simulators) -> Iterator[Simulators]:
    """Shared by the tests of a process; each has a mailbox of its own."""
    assert running_imap.imap
    yield running_imap
    running_imap.service.faults.remove_all_rules()
    running_imap.imap.current_options = ImapOptions()
    running_imap.imap.commands.clear()


@pytest.fixture
def imap(simulators: Simulators) -> ImapServer:
    assert simulators.imap
    return simulators.imap


@pytest.fixture
def user() -> str:
    return _user(next(_NUMBERS))


@pytest.fixture
def mailbox(simulators: Simulators, user: str) -> Mailbox:
    return simulators.find_or_create_mailbox(user, "Ada")


@pytest.fixture
def server(imap: ImapServer, mailbox: Mailbox, tmp_path: Path) -> Iterator[ScriptedImap]:
    """A scripted server in front of a mailbox with three mails."""
    for subject in ("a", "b", "c"):
        mailbox.deliver_message(a_mail(subject))
    with scripted_imap(tmp_path, behind=(imap.tls_port, imap.certificate)) as server:
        yield server


@pytest.fixture
def connect(imap: ImapServer, mailbox: Mailbox) -> Iterator[Callable[[], RawImap]]:
    """Makes connections to the simulated server that are logged in."""
    with ExitStack() as opened:

        def connected() -> RawImap:
            client = opened.enter_context(RawImap(imap.tls_port, imap.certificate))
            client.login(mailbox.address, PASSWORD)
            return client

        yield connected


@pytest.fixture(params=PROFILES)
def options(request: pytest.FixtureRequest) -> ImapOptions:
    return PROFILES[request.param]


@pytest.fixture
def pair(
    dovecots: dict[str, Dovecot],
    imap: ImapServer,
    mailbox: Mailbox,
    user: str,
    options: ImapOptions,
) -> Iterator[Pair]:
    real = dovecots[next(name for name, each in PROFILES.items() if each == options)]
    for folder in mailbox.folders.list_all_folders():
        if folder.role != "inbox":
            mailbox.delete_folder_from_database(folder.number)
    imap.current_options = options
    made = Pair(
        Side("Dovecot", real.port, real.certificate, PASSWORD, user, options),
        Side("simulator", imap.tls_port, imap.certificate, PASSWORD, user, options),
    )
    yield made
    made.close()
