"""A Dovecot and a simulated server that offer the same, and a mailbox of its own for each test."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from localdev.simulators.entra.certificates import open_server_tls_context
from localdev.simulators.entra.tokens import TokenSigner
from localdev.simulators.imap.options import (
    ALL_EXTENSIONS,
    WITHOUT_CONDSTORE,
    WITHOUT_QRESYNC,
    ImapOptions,
)
from localdev.simulators.imap.server import ImapServer
from localdev.simulators.service import SimulatorService
from tests.providers.simulators.imap.pair import Pair, Side
from tests.support.dovecot import PASSWORD, Dovecot, dovecot

PROFILES = {
    "QRESYNC": ImapOptions(extensions=ALL_EXTENSIONS),
    "QRESYNC, INBOX. and .": ImapOptions(prefix="INBOX.", separator="."),
    "CONDSTORE, .": ImapOptions(extensions=WITHOUT_QRESYNC, separator="."),
    "neither, INBOX/": ImapOptions(extensions=WITHOUT_CONDSTORE, prefix="INBOX/"),
}
MAX_MAILBOXES = 1000
_NUMBERS = count()


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder with a short path, which the user that runs Dovecot can enter."""
    with TemporaryDirectory(prefix="imap", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


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
    if options.offers("QRESYNC"):
        return ""
    return " ".join(["IMAP4rev1", *(each for each in options.extensions if "=" not in each)])


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImapServer]:
    data = tmp_path_factory.mktemp("imap")
    service = SimulatorService(data)
    tls, _ = open_server_tls_context(data)
    server = ImapServer(service, TokenSigner(service.database), tls=tls, password=PASSWORD)
    server.start()
    yield server
    server.stop()
    service.database.close()


@pytest.fixture(params=PROFILES)
def options(request: pytest.FixtureRequest) -> ImapOptions:
    return PROFILES[request.param]


@pytest.fixture
def pair(
    dovecots: dict[str, Dovecot], simulated: ImapServer, options: ImapOptions
) -> Iterator[Pair]:
    user = _user(next(_NUMBERS))
    real = dovecots[next(name for name, each in PROFILES.items() if each == options)]
    mailbox = simulated.service.add_mailbox(user, "Ada")
    for folder in mailbox.folders.list_all():
        if folder.role != "inbox":
            mailbox.purge_folder(folder.number)
    simulated.current_options = options
    certificate = simulated.service.data / "ca.pem"
    made = Pair(
        Side("Dovecot", real.port, real.certificate, PASSWORD, user, options),
        Side("simulator", simulated.port, certificate, PASSWORD, user, options),
    )
    yield made
    made.close()
