"""How clients sign in to the simulated IMAP server, and what they get without it."""

import base64
import ssl
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from imapclient import IMAPClient

from localdev.simulators import CLIENT_ID, CLIENT_SECRET, Simulators
from localdev.simulators.entra.tokens import OUTLOOK_AUDIENCE
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.imap.server import SCOPES_THAT_PERMIT_IMAP, ImapServer
from localdev.simulators.mailbox import Mailbox
from tests.support.dovecot import PASSWORD
from tests.support.imap_client import RawImap
from tests.support.mail import a_mail


@pytest.fixture
def token(simulators: Simulators, mailbox: Mailbox) -> str:
    return simulators.issue_microsoft_access_token(
        mailbox, scope=SCOPES_THAT_PERMIT_IMAP[0], audience=OUTLOOK_AUDIENCE
    )


def tls_client(imap: ImapServer) -> IMAPClient:
    context = ssl.create_default_context(cafile=imap.certificate)
    return IMAPClient("localhost", imap.tls_port, ssl_context=context)


@pytest.mark.parametrize("name", ["LOGIN", "AUTHENTICATE PLAIN", "XOAUTH2", "OAUTHBEARER"])
def test_imapclient_signs_in_each_way(
    imap: ImapServer, mailbox: Mailbox, token: str, name: str
) -> None:
    with tls_client(imap) as client:
        match name:
            case "LOGIN":
                client.login(mailbox.address, PASSWORD)
            case "AUTHENTICATE PLAIN":
                client.plain_login(mailbox.address, PASSWORD)
            case "XOAUTH2":
                client.oauth2_login(mailbox.address, token)
            case _:
                client.oauthbearer_login(mailbox.address, token)
        assert client.select_folder("INBOX")[b"EXISTS"] == 0


def test_the_identity_platform_issues_tokens_for_imap(
    simulators: Simulators, imap: ImapServer, mailbox: Mailbox
) -> None:
    asked = {
        "client_id": CLIENT_ID,
        "redirect_uri": "http://localhost/callback",
        "response_type": "code",
        "scope": f"{SCOPES_THAT_PERMIT_IMAP[0]} offline_access",
    }
    trust = ssl.create_default_context(cafile=simulators.ca_bundle)
    with httpx.Client(base_url=simulators.entra_authority_url, verify=trust) as browser:
        page = browser.build_request("GET", "oauth2/v2.0/authorize", params=asked).url
        given = browser.post(page, data={"account": mailbox.address}).headers["location"]
        code = parse_qs(urlsplit(given).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "client_id": CLIENT_ID}
        form |= {"client_secret": CLIENT_SECRET, "redirect_uri": asked["redirect_uri"]}
        granted = browser.post("oauth2/v2.0/token", data=form).json()
    with tls_client(imap) as client:
        client.oauth2_login(mailbox.address, granted["access_token"])
        assert client.folder_status("INBOX")[b"MESSAGES"] == 0


def test_a_wrong_password_is_named_as_such(imap: ImapServer, mailbox: Mailbox) -> None:
    with RawImap(imap.tls_port, imap.certificate) as client:
        for user, password in ((mailbox.address, b"x"), ("nobody@example.com", PASSWORD.encode())):
            content = password if isinstance(password, bytes) else password.encode()
            answer = client.command(b"LOGIN {} {}", [user.encode(), content])
            assert (answer.status, answer.code) == ("NO", "AUTHENTICATIONFAILED")
        assert client.command("SELECT INBOX").status == "BAD"


def test_a_token_must_be_of_the_user_and_for_imap(
    imap: ImapServer, simulators: Simulators, mailbox: Mailbox, token: str
) -> None:
    other = simulators.find_or_create_mailbox(f"other.{mailbox.address}")
    for_graph = simulators.issue_microsoft_access_token(mailbox)
    expired = simulators.issue_microsoft_access_token(
        mailbox, scope=SCOPES_THAT_PERMIT_IMAP[0], audience=OUTLOOK_AUDIENCE, lifetime_s=-1
    )
    attempts = [(mailbox.address, for_graph), (mailbox.address, expired), (other.address, token)]
    with RawImap(imap.tls_port, imap.certificate) as client:
        for user, wrong in attempts:
            sent = base64.b64encode(f"user={user}\1auth=Bearer {wrong}\1\1".encode()).decode()
            client.send(f"X AUTHENTICATE XOAUTH2 {sent}\r\n".encode())
            challenge = client.read_response()
            assert b'"status":"401"' in base64.b64decode(challenge.removeprefix(b"+ "))
            client.send(b"\r\n")
            assert client.read_response().startswith(b"X NO [AUTHENTICATIONFAILED]")


def test_without_tls_no_login_is_possible(imap: ImapServer, mailbox: Mailbox) -> None:
    with RawImap(imap.starttls_port, None) as client:
        assert b"LOGINDISABLED" in client.greeting
        assert client.command(f"LOGIN {mailbox.address} x").code == "PRIVACYREQUIRED"
        client.send(b"X STARTTLS\r\nX LOGIN early x\r\n")
        assert client.read_response().startswith(b"X OK")
        client.start_tls(imap.certificate)
        client.login(mailbox.address, PASSWORD)
        assert client.command("NOOP").status == "OK"


def test_messages_are_found_by_the_ids_that_they_are_shown_with(
    imap: ImapServer, mailbox: Mailbox
) -> None:
    for subject in ("one", "two"):
        mailbox.deliver_message(a_mail(subject=subject))
    with RawImap(imap.tls_port, imap.certificate) as client:
        client.login(mailbox.address, PASSWORD)
        client.command("SELECT INBOX")
        for name in ("EMAILID", "THREADID"):
            _, (*_, (_, uid, _, (shown,))) = client.command(f"UID FETCH 1:* ({name})").of_kind(
                "FETCH"
            )
            [[_, *found]] = client.command(f"UID SEARCH {name} {shown.decode()}").of_kind("SEARCH")
            assert found == [uid]


def test_what_is_not_offered_is_not_understood(imap: ImapServer, mailbox: Mailbox) -> None:
    imap.current_options = ImapOptions(extensions=("AUTH=PLAIN",))
    with RawImap(imap.tls_port, imap.certificate) as client:
        client.login(mailbox.address, PASSWORD)
        [[_, *offered]] = client.command("CAPABILITY").parsed()
        assert offered == [b"IMAP4rev1"]
        assert client.command("SELECT INBOX").of_kind("HIGHESTMODSEQ") == []
        for refused in (
            'LIST "" * RETURN (STATUS (MESSAGES))',
            "STATUS INBOX (HIGHESTMODSEQ)",
            "UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)",
            "UID FETCH 1:* (EMAILID)",
            "UID SEARCH MODSEQ 1",
            "UID SEARCH RETURN (ALL) ALL",
            "UID MOVE 1:* Archive",
            "UID EXPUNGE 1:*",
            "ENABLE CONDSTORE",
            "NAMESPACE",
            "ID NIL",
        ):
            assert client.command(refused).status == "BAD", refused
