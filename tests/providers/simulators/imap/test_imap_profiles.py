"""The profiles of well-known servers work for a common client, apart from what they are for."""

import ssl

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from localdev.simulators import Simulators
from localdev.simulators.entra.tokens import OUTLOOK_AUDIENCE
from localdev.simulators.imap.options import GMAIL_CAPABILITY
from localdev.simulators.imap.server import SCOPES_THAT_PERMIT_IMAP, ImapServer
from localdev.simulators.mailbox import Mailbox
from tests.support.imap_profiles import SERVER_PROFILES, CappedView
from tests.support.scripted_imap import ScriptedImap


@pytest.fixture
def access_token(simulators: Simulators, mailbox: Mailbox) -> str:
    return simulators.issue_microsoft_access_token(
        mailbox, scope=SCOPES_THAT_PERMIT_IMAP[0], audience=OUTLOOK_AUDIENCE
    )


@pytest.mark.parametrize("name", SERVER_PROFILES)
def test_a_client_reads_mail(
    server: ScriptedImap, imap: ImapServer, mailbox: Mailbox, access_token: str, name: str
) -> None:
    profile = SERVER_PROFILES[name]
    imap.current_options = profile.options
    server.rules += profile.rules()
    context = ssl.create_default_context(cafile=server.certificate)
    with IMAPClient("localhost", server.port, ssl_context=context) as client:
        if profile.options.has_extension("AUTH=PLAIN"):
            client.login(mailbox.address, imap.password)
        else:
            client.oauth2_login(mailbox.address, access_token)
        assert client.has_capability("CONDSTORE") == profile.options.has_extension("CONDSTORE")
        names = [folder for *_, folder in client.list_folders()]
        is_gmail = profile.options.has_extension(GMAIL_CAPABILITY)
        assert ("[Gmail]/All Mail" if is_gmail else f"{profile.options.prefix}Archive") in names
        client.select_folder("INBOX", readonly=True)
        uids = client.search("UID 1:*")
        for attempt in range(3):
            try:
                found = client.fetch(uids, ["FLAGS", "BODY.PEEK[]"])
                break
            except IMAPClientError:
                assert attempt < 2, "the server never answers"
        assert len(found) == 3


def test_a_capped_view_hides_the_oldest(
    server: ScriptedImap, imap: ImapServer, mailbox: Mailbox
) -> None:
    server.rules += CappedView(2).rules()
    context = ssl.create_default_context(cafile=server.certificate)
    with IMAPClient("localhost", server.port, ssl_context=context) as client:
        client.login(mailbox.address, imap.password)
        assert client.folder_status("INBOX", ["MESSAGES"]) == {b"MESSAGES": 2}
        assert client.select_folder("INBOX")[b"EXISTS"] == 2
        uids = client.search("UID 1:*")
        found = client.fetch(uids, ["FLAGS"])
        assert [found[uid][b"SEQ"] for uid in uids] == [1, 2]
