"""POST /api/email/accounts/imap at a server with Gmail's extensions."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.imap.options import ImapOptions
from mailsync.settings import load_settings
from tests.api.requests import ApiResponse, Sql
from tests.api.test_provider_paths import ask
from tests.support.field_imap import ALWAYS
from tests.support.gmail_imap_form import GMAIL_OPTIONS
from tests.support.scripted_imap import Rule, ScriptedImap, scripted_imap, without

USER = "ann@example.org"
WAYS = "SELECT provider_account_id LIKE '%?labels' FROM mailsync.email_accounts"


@pytest.fixture(scope="module")
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    with Simulators(
        tmp_path_factory.mktemp("imap"), imap_ports=SimulatedImapServerSettings()
    ) as running:
        running.find_or_create_mailbox(USER)
        yield running


@pytest.fixture
def server(
    simulators: Simulators, environment: pytest.MonkeyPatch, token_key_arn: str, tmp_path: Path
) -> Iterator[ScriptedImap]:
    """A server at which the stage connects mailboxes."""
    imap = simulators.imap
    assert imap
    with ExitStack() as running:
        behind = (imap.tls_port, imap.certificate)
        server = running.enter_context(scripted_imap(tmp_path, behind=behind))
        environment.setenv("TOKEN_KEY_ARN", token_key_arn)
        environment.setenv("IMAP_SERVERS", f"localhost:{server.port}")
        environment.setenv("CA_BUNDLE", str(server.certificate))
        load_settings.cache_clear()
        yield server


@pytest.fixture
def connect(simulators: Simulators, server: ScriptedImap) -> Callable[[ImapOptions], ApiResponse]:
    """Connects the mailbox while the server offers this."""
    assert simulators.imap
    imap = simulators.imap

    def connected(options: ImapOptions) -> ApiResponse:
        imap.current_options = options
        port, password = server.port, imap.password
        body = {"userName": USER, "password": password, "host": "localhost", "port": port}
        return ask("connect", "POST /api/email/accounts/imap", body=body)

    return connected


@pytest.mark.parametrize("is_one", [True, False])
def test_a_mailbox_is_read_for_ever_in_the_way_in_which_it_was_connected_first(
    *, connect: Callable[[ImapOptions], ApiResponse], sql: Sql, is_one: bool
) -> None:
    """As one mailbox at a server with Gmail's extensions, and by folders as it was before them."""
    ways = [GMAIL_OPTIONS, ImapOptions()]
    first, then = ways if is_one else reversed(ways)

    connected, again = connect(first), connect(then)

    assert (connected.status, again.status) == (201, 201)
    assert again.json["accountId"] == connected.json["accountId"]
    assert sql(WAYS) == [[is_one]]


def test_a_mailbox_that_hides_all_mail_is_not_connected(
    connect: Callable[[ImapOptions], ApiResponse], server: ScriptedImap, sql: Sql
) -> None:
    server.rules[:] = [Rule("^LIST", without("All Mail"), ALWAYS)]

    response = connect(GMAIL_OPTIONS)

    assert response.problem == (422, "mailbox-refused")
    assert "Switch on 'Show in IMAP' for All Mail in Gmail's settings" in response.json["detail"]
    assert sql(WAYS) == []
