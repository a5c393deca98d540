"""How Mailsync signs in to IMAP servers, and what it takes for a refused password."""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from imaplib import IMAP4
from pathlib import Path
from threading import Event, Thread

import pytest

from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.entra.certificates import open_server_tls_context
from localdev.simulators.entra.tokens import OUTLOOK_AUDIENCE
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.imap.server import SCOPES_THAT_PERMIT_IMAP
from mailsync.errors import ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.model import AccessToken, FolderTreeReadingMode
from mailsync.providers.imap import address as address_module
from mailsync.providers.imap import transport
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.folder_commands import list_folders
from mailsync.providers.imap.login import LoginRefused
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.servers import AllowedServers
from tests.providers.contract.test_imap_idle import RoundTrips
from tests.support.dovecot import PASSWORD, Dovecot, dovecot, readable_folder
from tests.support.field_imap import FIELD_ROWS
from tests.support.scripted_imap import Rule, ScriptedImap, capabilities, scripted_imap

Connect = Callable[[], ImapConnection]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with readable_folder() as folder, dovecot(folder / "d") as running:
        yield running


def connection(port: int, certificate: Path) -> ImapConnection:
    context = ssl.create_default_context(cafile=certificate)
    return ImapConnection(ImapMailboxLocation("localhost", port, "ann"), ["127.0.0.1"], context)


Scripted = Callable[..., ScriptedImap]


@pytest.fixture
def scripted(server: Dovecot, tmp_path: Path) -> Iterator[Scripted]:
    with ExitStack() as running:
        yield lambda *rules: running.enter_context(
            scripted_imap(tmp_path, *rules, behind=(server.port, server.certificate))
        )


def open_inbox(opened: ImapConnection) -> None:
    opened.login("ann", PASSWORD)
    opened.examine(b"INBOX")


def commands(script: ScriptedImap) -> list[str]:
    return [re.split(r" (?!PLAIN|XOAUTH2|OAUTHBEARER)", text)[0] for _, text in script.commands]


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("also", [("SASL-IR",), ()])
def test_an_access_token_signs_in(
    scripted: Scripted, server: Dovecot, mechanism: str, also: tuple[str, ...]
) -> None:
    """A refused one as well: the server explains it, and waits for an empty line."""
    script = scripted(*capabilities(f"AUTH={mechanism}", *also, "ENABLE"))
    for token in (server.access_token(lifetime_s=-10), "x", server.access_token("bo")):
        with connection(script.port, script.certificate) as refused, pytest.raises(LoginRefused):
            refused.login("ann", token, is_token=True)
    with connection(script.port, script.certificate) as signed_in:
        signed_in.login("ann", server.access_token(), is_token=True)
        assert signed_in.examine(b"INBOX").message_count == 0
    assert f"AUTHENTICATE {mechanism}" in commands(script)


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_the_simulated_server_checks_tokens_as_well(tmp_path: Path, mechanism: str) -> None:
    with Simulators(
        tmp_path, imap_ports=SimulatedImapServerSettings(password=PASSWORD)
    ) as simulators:
        mailbox, imap = simulators.find_or_create_mailbox("ann@example.org"), simulators.imap
        assert imap
        imap.current_options = ImapOptions(extensions=("SASL-IR", f"AUTH={mechanism}", "ENABLE"))
        token = simulators.issue_microsoft_access_token(
            mailbox, scope=SCOPES_THAT_PERMIT_IMAP[0], audience=OUTLOOK_AUDIENCE
        )
        with connection(imap.tls_port, imap.certificate) as refused, pytest.raises(LoginRefused):
            refused.login(mailbox.address, "no token", is_token=True)
        with connection(imap.tls_port, imap.certificate) as signed_in:
            signed_in.login(mailbox.address, token, is_token=True)
            assert signed_in.examine(b"INBOX").message_count == 0


class Tokens:
    """Access tokens of a mailbox; the first has expired at the server."""

    def __init__(self, server: Dovecot) -> None:
        self._expires_at = datetime.now(UTC) + timedelta(hours=1)
        self._server = server
        self.renewed: list[AccessToken] = []

    def get_current_token(self) -> AccessToken:
        return AccessToken(self._server.access_token(lifetime_s=-10), self._expires_at)

    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken:
        self.renewed.append(refused)
        return AccessToken(self._server.access_token(), self._expires_at)


def test_a_refused_token_is_renewed_and_used_on_a_new_connection(
    scripted: Scripted, server: Dovecot
) -> None:
    script, tokens = scripted(), Tokens(server)
    servers = AllowedServers(
        frozenset({f"localhost:{script.port}"}), is_any_public_server_allowed=False
    )
    context = ssl.create_default_context(cafile=script.certificate)
    address = ImapMailboxLocation("localhost", script.port, "ann")
    with closing(ImapMailbox(address, tokens, servers, context)) as mailbox:
        assert mailbox.list_folders([], FolderTreeReadingMode.ALL_LISTED_FOLDERS).folders
    assert (len(tokens.renewed), script.connection_count) == (1, 2)
    assert not tokens.renewed[0].holds_mailbox_password


LOGINS = {
    "LOGIN by default": (("AUTH=PLAIN", "SASL-IR"), [], "LOGIN"),
    "LOGIN is disabled": (("AUTH=PLAIN", "LOGINDISABLED"), [], "AUTHENTICATE PLAIN"),
    "LOGIN is not understood": (
        ("AUTH=PLAIN", "SASL-IR"),
        [Rule("^LOGIN", b"{tag} BAD What?\r\n")],
        "AUTHENTICATE PLAIN",
    ),
}


@pytest.mark.parametrize("name", LOGINS)
def test_a_password_is_sent_as_the_server_takes_it(scripted: Scripted, name: str) -> None:
    """The password has blanks, quotes, brackets and a star (row 42)."""
    offered, rules, used = LOGINS[name]
    script = scripted(*rules, *capabilities(*offered))
    with connection(script.port, script.certificate) as signed_in:
        signed_in.login("ann", PASSWORD)
        assert signed_in.examine(b"INBOX").message_count == 0
    assert used in commands(script)


@pytest.mark.parametrize("offered", [("AUTH=PLAIN", "SASL-IR"), ("AUTH=PLAIN",), ()])
def test_a_password_that_is_not_ascii_signs_in(tmp_path: Path, offered: tuple[str, ...]) -> None:
    password = 'pässwörd "中"\\'
    with Simulators(
        tmp_path, imap_ports=SimulatedImapServerSettings(password=password)
    ) as simulators:
        mailbox, imap = simulators.find_or_create_mailbox("ann@example.org"), simulators.imap
        assert imap
        imap.current_options = ImapOptions(extensions=offered)
        with connection(imap.tls_port, imap.certificate) as signed_in:
            signed_in.login(mailbox.address, password)
            assert signed_in.examine(b"INBOX").message_count == 0
        with connection(imap.tls_port, imap.certificate) as refused, pytest.raises(LoginRefused):
            refused.login(mailbox.address, password + "ü")


@pytest.mark.parametrize(
    ("offered", "is_token"), [(("LOGINDISABLED",), False), (("AUTH=PLAIN",), True)]
)
def test_a_server_without_a_usable_login_is_sent_nothing(
    scripted: Scripted, offered: tuple[str, ...], is_token: bool
) -> None:
    script = scripted(*capabilities(*offered))
    with (
        connection(script.port, script.certificate) as refused,
        pytest.raises(ProviderUnavailable, match=r"accepts no (passwords|access tokens)"),
    ):
        refused.login("ann", PASSWORD, is_token=is_token)
    assert not {"LOGIN", "AUTHENTICATE"} & {each.partition(" ")[0] for each in commands(script)}


def test_extensions_and_the_client_are_named_before_a_folder_is_opened(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """163 opens no folder otherwise (row 41), and iCloud shows no HIGHESTMODSEQ (row 29). They take
    no round trip of their own."""
    script = scripted()
    with connection(script.port, script.certificate) as signed_in:
        with monkeypatch.context() as measured:
            trips = RoundTrips(measured)
            open_inbox(signed_in)
        assert trips.count == 2
        assert signed_in.has_qresync
        assert commands(script) == ["LOGIN", "ID", "ENABLE", "EXAMINE"]
    (sent,) = [text for _, text in script.commands if text.startswith("ID")]
    assert sent == 'ID ("name" "Mailsync" "version" "1")'


@pytest.mark.parametrize("rejected", ["^ID", "^ENABLE"])
def test_a_server_that_rejects_an_extension_is_used_without_it(
    scripted: Scripted, rejected: str
) -> None:
    script = scripted(Rule(rejected, b"{tag} BAD No\r\n"))
    with connection(script.port, script.certificate) as signed_in:
        signed_in.login("ann", PASSWORD)
        assert signed_in.has_qresync is (rejected == "^ID")
        assert signed_in.examine(b"INBOX").message_count == 0


def test_no_argument_is_quoted_by_the_library(
    scripted: Scripted, server: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patch releases of Python differ in what they quote."""
    monkeypatch.delattr(IMAP4, "_command")
    script = scripted(
        *capabilities("AUTH=PLAIN", "SASL-IR", "LOGINDISABLED", "ENABLE", "CONDSTORE")
    )
    with connection(script.port, script.certificate) as signed_in:
        signed_in.login("ann", PASSWORD)
        assert signed_in.examine(b"INBOX").message_count == 0
        assert signed_in.search("UID 1:4294967295") == []


def test_too_many_connections_are_a_pause() -> None:
    with (
        readable_folder() as folder,
        dovecot(folder / "d", max_connections=1) as full,
        full.other_client(),
        connection(full.port, full.certificate) as refused,
        pytest.raises(ProviderThrottled) as caught,
    ):
        refused.login("ann", PASSWORD)
    assert caught.value.retry_after_s == 60


FIELD_LOGINS = {37: LoginRefused, 39: ProviderThrottled, 40: ProviderThrottled}


@pytest.mark.parametrize("row", FIELD_LOGINS)
def test_rows_of_the_field_at_the_login(scripted: Scripted, row: int) -> None:
    script = scripted(*FIELD_ROWS[row]())
    with connection(script.port, script.certificate) as refused, pytest.raises(FIELD_LOGINS[row]):
        open_inbox(refused)
    assert commands(script).count("LOGIN") == 1


def test_a_login_without_effect_leaves_a_connection_that_is_not_used_again(
    scripted: Scripted,
) -> None:
    """Row 40, where the response to LOGIN has the capabilities."""
    script = scripted(Rule("^ID", b"{tag} BAD User is authenticated but not connected.\r\n"))
    with connection(script.port, script.certificate) as opened:
        opened.login("ann", PASSWORD)
        with pytest.raises(ProviderThrottled):
            list_folders(opened)
        assert opened.is_broken


@pytest.mark.parametrize("is_early", [True, False])
def test_responses_to_the_first_command_are_kept_wherever_they_come(
    scripted: Scripted, is_early: bool
) -> None:
    """A server may answer LIST while it still works on ID."""
    listed = b'* LIST () "/" Work\r\n* LIST () "/" INBOX\r\n'
    before, after = (listed, b"") if is_early else (b"", listed)
    script = scripted(
        *capabilities("ID", "ENABLE", "QRESYNC"),
        Rule("^ID", before + b"{tag} OK Hi\r\n"),
        Rule("^ENABLE", b"* ENABLED QRESYNC\r\n{tag} OK On\r\n"),
        Rule("^LIST", after + b"{tag} OK All\r\n"),
    )
    with connection(script.port, script.certificate) as opened:
        opened.login("ann", PASSWORD)
        assert {it.name for it in list_folders(opened).own_folders} == {b"INBOX", b"Work"}
        assert opened.has_qresync


REPEATED = PASSWORD.encode()


@pytest.mark.parametrize(
    "reply",
    [
        b"{tag} NO You said %b\r\n" % REPEATED,
        b"{tag} BAD You said %b\r\n" % REPEATED,
        b"* BYE You said %b\r\n" % REPEATED,
        b"You said %b\r\n" % REPEATED,
    ],
)
@pytest.mark.parametrize("command", ["LOGIN", "EXAMINE"])
def test_no_error_repeats_the_password(scripted: Scripted, command: str, reply: bytes) -> None:
    script = scripted(Rule(f"^{command}", reply, None, "cut"))
    errors = (ProviderUnavailable, ProviderRejected)
    with connection(script.port, script.certificate) as opened, ExitStack() as expected:
        caught = expected.enter_context(pytest.raises(errors))
        opened.login("ann", PASSWORD)
        opened.examine(b"INBOX")
    assert PASSWORD not in str(caught.value)


def test_what_was_said_before_tls_is_not_used_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain text injected behind the response to STARTTLS could answer the first commands."""
    context, certificate = open_server_tls_context(tmp_path)
    received: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        plain.sendall(b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] Hi\r\n")
        tag = plain.recv(1000).split()[0]
        injected = b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n" + tag + b" OK Injected\r\n"
        plain.sendall(tag + b" OK Begin\r\n" + injected * 20)
        with context.wrap_socket(plain, server_side=True) as secure:
            while line := secure.recv(1000):
                received.append(line)
                answer = b"* CAPABILITY IMAP4rev1\r\n" if b"CAPA" in line else b""
                secure.sendall(answer + line.split()[0] + b" OK Done\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve, args=(listener,))
        thread.start()
        monkeypatch.setattr(address_module, "STARTTLS_PORT", listener.getsockname()[1])
        with connection(listener.getsockname()[1], certificate) as opened:
            opened.login("ann", "word")
            assert opened.capabilities == {"IMAP4REV1"}
        thread.join()
    assert b'LOGIN "ann" "word"' in b"".join(received)


def test_a_handshake_that_comes_byte_by_byte_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes within the time-out of a read."""
    monkeypatch.setattr(transport, "TLS_TIMEOUT_S", 0.5)
    _, certificate = open_server_tls_context(tmp_path)

    def drip(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        with plain, suppress(OSError):
            plain.sendall(b"\x16\x03\x03\x40\x00")
            while not is_over.wait(0.05):
                plain.sendall(b"\x02")

    is_over, began = Event(), time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=drip, args=(listener,))
        thread.start()
        with pytest.raises(ProviderUnavailable):
            connection(listener.getsockname()[1], certificate)
        is_over.set()
        thread.join()
    assert time.monotonic() - began < 5


def test_a_sync_says_which_server_cannot_be_used_and_keeps_the_mail(
    server: Dovecot, tmp_path: Path
) -> None:
    _, unknown_authority = open_server_tls_context(tmp_path)
    with pytest.raises(ProviderUnavailable, match=r"localhost is signed by .* readable"):
        connection(server.port, unknown_authority)
    nowhere = AllowedServers(frozenset(), is_any_public_server_allowed=True)
    context = ssl.create_default_context(cafile=server.certificate)
    address = ImapMailboxLocation("localhost", 993, "ann")
    with (
        closing(ImapMailbox(address, Tokens(server), nowhere, context)) as mailbox,
        pytest.raises(ProviderUnavailable, match=r"private network.* stays readable"),
    ):
        mailbox.list_folders([], FolderTreeReadingMode.ALL_LISTED_FOLDERS)


def test_a_server_that_refuses_sasl_is_signed_in_to_by_login(scripted: Scripted) -> None:
    """Row 38: iCloud refuses AUTHENTICATE PLAIN with the right password, and then LOGIN on the same
    connection."""
    script = scripted(*FIELD_ROWS[38]()[:1], *capabilities("AUTH=PLAIN", "SASL-IR"))
    with connection(script.port, script.certificate) as signed_in:
        signed_in.login("ann", PASSWORD)
    assert "AUTHENTICATE PLAIN" not in commands(script)


def test_capabilities_before_the_login_are_not_used_after_it(scripted: Scripted) -> None:
    """Row 28: a proxy answers before the login, another server after it."""
    greeting = b"* OK [CAPABILITY IMAP4rev1 ENABLE CONDSTORE QRESYNC ID LIST-STATUS] Hi\r\n"
    script = scripted(
        Rule("^GREETING$", greeting, None),
        Rule("^LOGIN", lambda found: [found[-1].split(b" ")[0] + b" OK Logged in"], None),
        Rule("^CAPABILITY$", b"* CAPABILITY IMAP4rev1\r\n{tag} OK Done\r\n", None),
    )
    with connection(script.port, script.certificate) as signed_in:
        signed_in.login("ann", PASSWORD)
        assert signed_in.capabilities == {"IMAP4REV1"}
        assert not signed_in.has_qresync
    assert "ENABLE" not in commands(script)
