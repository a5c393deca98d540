"""POST /api/email/accounts/imap, at real servers: the response explains each failure."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import trustme

from localdev.reserved_port import reserve_port
from mailsync.api.password_problems import DOCUMENTED_PASSWORD_PROBLEMS
from mailsync.providers.imap import address, password_check, transport
from mailsync.providers.imap.known_servers import KnownServer
from mailsync.settings import load_settings
from tests.api.requests import ApiResponse, Sql
from tests.api.sign_in import ONE_OF_EACH, refusal, stored
from tests.api.test_provider_paths import ask
from tests.support.dovecot import PASSWORD, Dovecot, dovecot, readable_folder
from tests.support.scripted_imap import End, Reply, Rule, ScriptedImap, scripted_imap

REFUSED, APP_PASSWORD, UNUSABLE = (each.type_urn_suffix for each in DOCUMENTED_PASSWORD_PROBLEMS)
BUSY, UNREADABLE = "provider-unavailable", "mailbox-refused"
GMAIL_ALERT = (
    b"{tag} NO [ALERT] Application-specific password required:"
    b" https://support.google.com/accounts/answer/185833 (Failure)\r\n"
)
NO_IMAP = "does not answer as a mail server does"
SLOW = "did not answer in time"
LOGINS: dict[str, tuple[str, Reply, str, str]] = {
    "app password needed": ("^LOGIN", GMAIL_ALERT, APP_PASSWORD, "a password for apps there"),
    "no code": ("^LOGIN", b"{tag} NO Login failed.\r\n", REFUSED, "correct them and send"),
    "no reason": ("^LOGIN", b"{tag} NO Sorry.\r\n", UNUSABLE, "named no reason"),
    "too many connections": (
        "^LOGIN",
        b"{tag} NO [ALERT] Too many simultaneous connections. (Failure)\r\n",
        BUSY,
        "try again in a few",
    ),
    "inbox refused": ("^EXAMINE", b"{tag} NO Unsafe Login\r\n", UNREADABLE, "open the inbox"),
    "not connected": (
        "^EXAMINE",
        b"{tag} BAD User is authenticated but not connected.\r\n",
        BUSY,
        "try again in a few",
    ),
    "garbage banner": ("^GREETING$", b"220 smtp.example.org ESMTP\r\n", UNUSABLE, NO_IMAP),
    "binary banner": ("^GREETING$", b"\0\xff\x16\x03\r\n\r\n" * 50, UNUSABLE, NO_IMAP),
    "goodbye": ("^GREETING$", b"* BYE Not today\r\n", UNUSABLE, NO_IMAP),
    "signed in already": ("^GREETING$", b"* PREAUTH Hello Bo\r\n", UNUSABLE, "lets everybody in"),
    "silence": ("^GREETING$", "silence", UNUSABLE, SLOW),
    "silence at login": ("^LOGIN", "silence", UNUSABLE, SLOW),
    "silence at inbox": ("^EXAMINE", "silence", UNUSABLE, SLOW),
    "endless line": ("^GREETING$", "flood", UNUSABLE, NO_IMAP),
    "endless line at login": ("^LOGIN", "flood", UNUSABLE, NO_IMAP),
    "cut": ("^LOGIN", "cut", UNUSABLE, NO_IMAP),
    "endless challenges": ("^LOGIN", b"+ \r\n" * 100, UNUSABLE, NO_IMAP),
    "large literal": ("^LOGIN", b"* X {2147483648}\r\n", UNUSABLE, NO_IMAP),
}
CERTIFICATES = {
    "self-signed": "is self-signed",
    "expired": "has expired",
    "other name": "is of another name",
    "unknown authority": "is signed by an unknown authority",
}


@pytest.fixture(scope="session")
def dovecot_folder() -> Iterator[Path]:
    """A folder with a short path, which Dovecot's user can enter."""
    with readable_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def server(dovecot_folder: Path) -> Iterator[Dovecot]:
    with dovecot(dovecot_folder / "d", users=("ann@example.org", "ann")) as running:
        yield running


@pytest.fixture
def stage(environment: pytest.MonkeyPatch, token_key_arn: str) -> Callable[..., None]:
    """Sets the servers of the stage, and the authority that it trusts."""
    environment.setenv("TOKEN_KEY_ARN", token_key_arn)

    def set_servers(servers: str, certificate: Path | None = None) -> None:
        environment.setenv("IMAP_SERVERS", servers)
        if certificate:
            environment.setenv("CA_BUNDLE", str(certificate))
        load_settings.cache_clear()

    return set_servers


@pytest.fixture
def at_dovecot(server: Dovecot, stage: Callable[..., None]) -> Dovecot:
    stage(f"localhost:{server.port},localhost:{server.starttls_port}", server.certificate)
    return server


def connect(port: int, **body: Any) -> ApiResponse:
    named = {"userName": "ann@example.org", "password": PASSWORD, "host": "localhost", "port": port}
    return ask("connect", "POST /api/email/accounts/imap", body=named | body)


def refused(response: ApiResponse, sql: Sql) -> tuple[int, str, str]:
    return (*refusal(response, sql), response.json["detail"])


def test_a_right_password_connects_the_mailbox(at_dovecot: Dovecot, sql: Sql) -> None:
    response = connect(at_dovecot.port)

    assert response.status == 201
    assert response.json["emailAddress"] == "ann@example.org"
    assert stored(sql) == ONE_OF_EACH
    for other in ({"host": "LocalHost."}, {"userName": "ann@Example.ORG"}):
        assert connect(at_dovecot.port, **other).json["accountId"] == response.json["accountId"]


def test_a_wrong_password_connects_nothing(at_dovecot: Dovecot, sql: Sql, log: StringIO) -> None:
    for each in ("wrong", "wröng", 'w "\\('):
        status, kind, detail = refused(connect(at_dovecot.port, password=each), sql)
        assert (status, kind) == (422, REFUSED)
        assert "correct them and send the request again" in detail
        assert each not in log.getvalue()


def test_a_mailbox_is_connected_by_starttls(
    at_dovecot: Dovecot, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "STARTTLS_PORT", at_dovecot.starttls_port)

    assert connect(at_dovecot.starttls_port, password="wrong").problem == (422, REFUSED)
    assert connect(at_dovecot.starttls_port).status == 201


@pytest.fixture
def scripted(
    server: Dovecot, stage: Callable[..., None], tmp_path: Path
) -> Iterator[Callable[..., ScriptedImap]]:
    """Starts a server that misbehaves before Dovecot, at which the stage connects mailboxes."""
    with ExitStack() as running:

        def start(*rules: Rule, has_tls: bool = True) -> ScriptedImap:
            behind = (server.port, server.certificate) if has_tls else None
            started = running.enter_context(
                scripted_imap(tmp_path, *rules, behind=behind, has_tls=has_tls)
            )
            stage(f"localhost:{started.port}", started.certificate)
            return started

        yield start


@pytest.fixture
def is_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_check, "PASSWORD_CHECK_TIMEOUT_S", 1.5)


@pytest.mark.parametrize("name", LOGINS)
def test_each_failure_of_a_server_has_a_sentence(
    scripted: Callable[..., ScriptedImap], is_impatient: None, sql: Sql, name: str
) -> None:
    pattern, reply, kind, sentence = LOGINS[name]
    is_whole = not isinstance(reply, bytes) or b"{tag}" in reply or reply.startswith(b"* PREAUTH")
    then: End | None = None if is_whole else "silence"
    port = scripted(Rule(pattern, reply, None, then)).port
    began = time.monotonic()

    _, problem, detail = refused(connect(port), sql)

    assert time.monotonic() - began < password_check.PASSWORD_CHECK_TIMEOUT_S + 2
    assert (problem, sentence in detail) == (kind, True), detail
    assert PASSWORD not in detail


@pytest.mark.parametrize("name", ["app password needed", "no code", "no reason"])
def test_a_refusal_of_a_well_known_server_says_where_to_create_a_password(
    scripted: Callable[..., ScriptedImap], sql: Sql, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    advice = "Create a password for apps at https://example.com/apps."
    known = KnownServer("Example", "localhost", (), advice)
    monkeypatch.setattr(password_check, "find_known_server", lambda _: known)
    pattern, reply, *_ = LOGINS[name]

    status, problem, detail = refused(connect(scripted(Rule(pattern, reply)).port), sql)

    assert (status, problem in (REFUSED, APP_PASSWORD)) == (422, True)
    assert detail.endswith(f"so no mailbox was connected. {advice}")


@pytest.mark.parametrize("connect_timeout_s", [10, 1.2])
def test_a_server_that_accepts_and_says_nothing_does_not_hold_the_request(
    *,
    stage: Callable[..., None],
    is_impatient: None,
    sql: Sql,
    monkeypatch: Any,
    connect_timeout_s: float,
) -> None:
    """Whichever time ends first."""
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT_S", connect_timeout_s)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        stage(f"localhost:{port}")
        began = time.monotonic()
        _, problem, detail = refused(connect(port), sql)
    assert (problem, SLOW in detail) == (UNUSABLE, True)
    assert 1 < time.monotonic() - began < 4


def test_the_whole_check_ends_before_the_api_must_answer() -> None:
    assert password_check.PASSWORD_CHECK_TIMEOUT_S <= 12


@pytest.mark.parametrize("fault", CERTIFICATES)
def test_a_certificate_that_cannot_be_verified_gets_no_password(
    *, dovecot_folder: Path, stage: Callable[..., None], sql: Sql, fault: str
) -> None:
    authority, unknown = trustme.CA(), trustme.CA()
    past = datetime.now(UTC) - timedelta(days=2)
    pem = {
        "self-signed": unknown.private_key_pem.bytes() + unknown.cert_pem.bytes(),
        "expired": _pem(authority.issue_cert("localhost", not_after=past)),
        "other name": _pem(authority.issue_cert("imap.example.org")),
        "unknown authority": _pem(unknown.issue_cert("localhost")),
    }[fault]
    pems = {"server.pem": pem, "ca.pem": authority.cert_pem.bytes()}
    data = dovecot_folder / fault[:4]
    with dovecot(data, users=("ann@example.org",), certificates=pems) as server:
        stage(f"localhost:{server.port}", server.certificate)
        status, problem, detail = refused(connect(server.port), sql)
    assert (status, problem) == (422, UNUSABLE)
    assert f"The certificate of localhost {CERTIFICATES[fault]}" in detail
    assert "does not send it a password" in detail


def _pem(issued: trustme.LeafCert) -> bytes:
    return issued.private_key_and_cert_chain_pem.bytes()


def test_a_server_without_tls_gets_no_password(
    scripted: Callable[..., ScriptedImap], sql: Sql
) -> None:
    server = scripted(has_tls=False)

    _, problem, detail = refused(connect(server.port), sql)

    assert problem == UNUSABLE
    assert "does not answer in TLS" in detail
    assert not any("LOGIN" in each for _, each in server.commands)


STRIPPED = {
    "not offered": [Rule("^CAPABILITY", b"* CAPABILITY IMAP4rev1\r\n{tag} OK Done\r\n")],
    "refused": [
        Rule("^GREETING$", b"* OK [CAPABILITY IMAP4rev1 STARTTLS] Hi\r\n"),
        Rule("^STARTTLS", b"{tag} NO Not now\r\n"),
    ],
    "not understood": [
        Rule("^GREETING$", b"* OK [CAPABILITY IMAP4rev1 STARTTLS] Hi\r\n"),
        Rule("^STARTTLS", b"{tag} BAD What?\r\n"),
    ],
    "signed in": [
        Rule("^GREETING$", b"* PREAUTH Hi\r\n"),
        Rule("^CAPABILITY", b"* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK Done\r\n"),
    ],
}


@pytest.mark.parametrize("name", STRIPPED)
def test_without_starttls_no_password_is_sent(
    *, scripted: Callable[..., ScriptedImap], sql: Sql, monkeypatch: Any, name: str
) -> None:
    server = scripted(*(replace(each) for each in STRIPPED[name]), has_tls=False)
    monkeypatch.setattr(address, "STARTTLS_PORT", server.port)

    _, problem, detail = refused(connect(server.port), sql)

    assert (problem, "offers no encryption" in detail) == (UNUSABLE, True), detail
    assert not any(re.match("LOGIN|AUTHENTICATE", each) for _, each in server.commands)


def test_a_wrong_port_or_name_has_a_sentence(
    stage: Callable[..., None], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reserve_port() as port:
        stage(f"localhost:{port}")
        assert "accepts no connections" in refused(connect(port), sql)[2]

    def fails(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    stage("public")
    monkeypatch.setattr(socket, "getaddrinfo", fails)
    assert (
        "There is no server nowhere.example.com"
        in (refused(connect(993, host="nowhere.example.com"), sql)[2])
    )


def test_a_name_whose_look_up_hangs_does_not_hold_the_request(
    *, stage: Callable[..., None], is_impatient: None, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage("public")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(4))
    began = time.monotonic()
    assert "looked up in time" in refused(connect(993, host="slow.example.com"), sql)[2]
    assert time.monotonic() - began < 3


def test_a_private_server_is_not_connected_to_unless_it_is_listed(
    server: Dovecot, stage: Callable[..., None], sql: Sql
) -> None:
    stage("public", server.certificate)
    assert "in a private network" in refused(connect(993), sql)[2]
    assert "use 993, or 143" in refused(connect(server.port), sql)[2]
    stage("imap.example.org:993")
    assert "lists the servers" in refused(connect(993), sql)[2]


def test_the_connection_goes_to_the_address_that_was_checked(
    server: Dovecot, stage: Callable[..., None], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look-up of the name would lead into the stage's network (DNS rebinding)."""
    look_up = socket.getaddrinfo
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 993))
    asked: list[str] = []
    tried: list[Any] = []

    def rebinding(host: str, *arguments: Any, **named: Any) -> Any:
        if host != "imap.example.com":
            return look_up(host, *arguments, **named)
        asked.append(host)
        return [public] if len(asked) == 1 else look_up("localhost", server.port)

    def connected(where: Any, **_: Any) -> socket.socket:
        tried.append(where)
        raise ConnectionRefusedError

    stage("public")
    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket, "create_connection", connected)
    try:
        response = connect(993, host="imap.example.com")
    finally:
        monkeypatch.undo()
    assert response.problem == (422, UNUSABLE)
    assert (asked, tried) == (["imap.example.com"], [("1.1.1.1", 993)])


@pytest.mark.parametrize("user_name", ["ann@outlook.com", "ann@hotmail.co.uk"])
def test_outlook_is_connected_as_a_mailbox_of_microsoft(
    stage: Callable[..., None], sql: Sql, user_name: str
) -> None:
    stage("public")
    for named in ({}, {"host": "outlook.office365.com"}):
        body = {"userName": user_name, "password": "x", **named}
        response = ask("connect", "POST /api/email/accounts/imap", body=body)
        assert refusal(response, sql) == (422, APP_PASSWORD)
        assert "connect the mailbox as one of Microsoft" in response.json["detail"]


def test_a_server_that_is_not_known_must_be_named(stage: Callable[..., None], sql: Sql) -> None:
    stage("public")
    body = {"userName": "ann@example.org", "password": "x"}
    response = ask("connect", "POST /api/email/accounts/imap", body=body)
    assert refusal(response, sql) == (422, UNUSABLE)
    assert "name it as host" in response.json["detail"]
    for host in ("imap.exämple.org", "[::1]", "a b", "-", "x" * 64 + ".org", "a..b"):
        response = ask("connect", "POST /api/email/accounts/imap", body=body | {"host": host})
        assert refusal(response, sql) == (422, "invalid-field")
