"""Reports from the field about logins, searches and names of folders, each to its end."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.entra.tokens import OUTLOOK_AUDIENCE
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.imap.server import SCOPES_THAT_PERMIT_IMAP
from mailsync.errors import AccessRevoked, ProviderThrottled, ProviderUnavailable
from mailsync.model import (
    AccessToken,
    FeedId,
    FeedRef,
    FolderId,
    FolderRef,
    FolderTreeReadingMode,
    RemoteId,
)
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.servers import AllowedServers
from tests.providers.contract.played_imap import ALL, Played
from tests.support.builders import a_known_folder
from tests.support.dovecot import PASSWORD
from tests.support.field_imap import ALWAYS, FIELD_ROWS, adding
from tests.support.imap_mailbox import INBOX
from tests.support.mail import a_mail
from tests.support.scripted_imap import (
    Rule,
    ScriptedImap,
    capabilities,
    replacing,
    scripted_imap,
    without,
)

LOGINS = ("LOGIN", "AUTHENTICATE")
BAN_WINDOW_S, MAX_FAILED_LOGINS = 600, 10
"""The host of row 37 bans an address after so many failures in so many seconds."""
EMPTY_FOLDER = b"* 0 EXISTS\r\n* OK [UIDVALIDITY 7] 7\r\n* OK [UIDNEXT 1] 1\r\n{tag} OK Done\r\n"


class Access:
    """The access of a mailbox, and what its renewal does."""

    def __init__(self, token: AccessToken, renew: Callable[[], AccessToken]) -> None:
        self.token, self._renew = token, renew

    def get_current_token(self) -> AccessToken:
        return self.token

    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken:
        self.token = self._renew()
        return self.token


def _raising(failure: Exception) -> Callable[[], AccessToken]:
    def renew() -> AccessToken:
        raise failure

    return renew


def _opened(script: ScriptedImap, access: Access, user: str = "ann@example.com") -> ImapMailbox:
    servers = AllowedServers(
        frozenset({f"localhost:{script.port}"}), is_any_public_server_allowed=False
    )
    context = ssl.create_default_context(cafile=script.certificate)
    return ImapMailbox(
        ImapMailboxLocation("localhost", script.port, user), access, servers, context
    )


def _logins(script: ScriptedImap) -> list[str]:
    return [text for _, text in script.commands if text.startswith(LOGINS)]


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[ScriptedImap]:
    """A server that refuses every login (row 37)."""
    offer = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] Hello\r\n"
    rules = [Rule("^GREETING$", offer, ALWAYS), *FIELD_ROWS[37]()]
    with scripted_imap(tmp_path, *rules) as script:
        yield script


PASSWORD_ACCESS = AccessToken(PASSWORD, datetime.max.replace(tzinfo=UTC))
TOKEN_ACCESS = AccessToken("token", datetime(2100, 1, 1, tzinfo=UTC))


def test_a_refused_password_is_sent_once(refusing: ScriptedImap) -> None:
    """Row 37. A person acts before the next login, so the server's failures are not counted."""
    access = Access(PASSWORD_ACCESS, _raising(AccessRevoked("refused")))
    with closing(_opened(refusing, access)) as mailbox, pytest.raises(AccessRevoked):
        mailbox.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS)
    assert len(_logins(refusing)) == 1


def test_refused_tokens_get_no_address_banned(refusing: ScriptedImap) -> None:
    """Row 37, with tokens that the identity platform goes on issuing."""
    with closing(_opened(refusing, Access(TOKEN_ACCESS, lambda: TOKEN_ACCESS))) as mailbox:
        for _ in range(3):
            with pytest.raises(ProviderThrottled) as caught:
                mailbox.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS)
            assert caught.value.retry_after_s
            tries = BAN_WINDOW_S / caught.value.retry_after_s
            assert 2 * tries < MAX_FAILED_LOGINS
    assert len(_logins(refusing)) == 2


@pytest.mark.parametrize("failure", [ProviderUnavailable("down"), AccessRevoked("revoked")])
def test_without_a_new_token_nothing_more_is_sent(
    refusing: ScriptedImap, failure: Exception
) -> None:
    """Row 46: after a failed renewal another client signed in with an empty password."""
    access = Access(TOKEN_ACCESS, _raising(failure))
    with closing(_opened(refusing, access)) as mailbox, pytest.raises(type(failure)):
        mailbox.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS)
    assert (len(_logins(refusing)), refusing.connection_count) == (1, 1)


def test_a_token_that_expires_in_mid_session_is_renewed_and_all_is_stored(tmp_path: Path) -> None:
    """Row 45: BYE, then the refusal of the same token, then a new one."""
    ports = SimulatedImapServerSettings(password=PASSWORD)
    with Simulators(tmp_path / "simulators", imap_ports=ports) as simulators:
        mailbox, imap = simulators.find_or_create_mailbox("ann@example.com"), simulators.imap
        assert imap
        for subject in ALL:
            mailbox.deliver_message(a_mail(subject))
        imap.current_options = ImapOptions(extensions=("SASL-IR", "AUTH=XOAUTH2", "ENABLE"))

        def issue() -> AccessToken:
            token = simulators.issue_microsoft_access_token(
                mailbox, scope=SCOPES_THAT_PERMIT_IMAP[0], audience=OUTLOOK_AUDIENCE
            )
            return AccessToken(token, datetime(2100, 1, 1, tzinfo=UTC))

        access = Access(issue(), issue)
        first = access.token
        with (
            scripted_imap(tmp_path, behind=(imap.tls_port, imap.certificate)) as script,
            closing(_opened(script, access)) as client,
        ):
            ids = [it.remote_id for it in client.fetch_feed_page(INBOX, None, limit=9).changes]
            refused = b"{tag} NO [AUTHENTICATIONFAILED] Expired\r\n"
            script.rules += [*FIELD_ROWS[45](), Rule("^AUTHENTICATE", refused)]
            found = client.fetch_messages(ids)
        assert sorted(getattr(each, "subject", "") for each in found) == ALL
        assert access.token != first
        assert script.connection_count == 3


def test_uids_in_a_response_to_a_search_without_the_word_uid_are_uids(played: Played) -> None:
    """Row 27."""
    played.server.rules += FIELD_ROWS[27]()
    assert played.fetched(played.listed()) == ALL


def test_a_search_that_finds_what_no_fetch_returns_is_a_failure(played: Played) -> None:
    """Row 27: numbers that are no UIDs are no empty folder, and no messages that are gone."""
    played.server.rules += [
        Rule("^EXAMINE", replacing(r"UIDNEXT \d+", b"UIDNEXT 600"), ALWAYS),
        Rule("^UID SEARCH", b'* ESEARCH (TAG "7") ALL 590:597\r\n{tag} OK Done\r\n', ALWAYS),
    ]
    with pytest.raises(ProviderUnavailable, match="lists 8 messages that it does not send"):
        played.listed()


def test_what_a_server_rejects_is_asked_once_on_a_connection(played: Played) -> None:
    """Row 28. Nothing is remembered beyond the connection: a proxy may lead the next one to a
    server that has the extension, and one command more costs less than a wrong memory."""
    played.server.rules += FIELD_ROWS[28]()
    cursor = played.client.fetch_feed_page(INBOX, None, limit=9).next_cursor
    for number in range(3):
        played.mailbox.deliver_message(a_mail(f"new {number}"))
        page = played.client.fetch_feed_page(INBOX, cursor, limit=9)
        cursor = page.next_cursor
        assert len(page.changes) == 1
    sent = [text for _, text in played.server.commands if "CHANGEDSINCE" in text]
    assert ["VANISHED" in each for each in sent] == [True, False, False, False]


NAMES = {
    "row 49: quotes": (b'"INBOX/say \\"yes\\""', 'INBOX/say "yes"', 'say "yes"'),
    "row 51: an ampersand within base64": (b'"&BCEEPwQwBDwAJg-"', "&BCEEPwQwBDwAJg-", "Спам&"),
    "a backslash at the end": (b'"to\\\\"', "to\\", "to\\"),
    "bytes that are no UTF-8": (b'"Caf\xe9"', "Caf\xe9", "Caf\ufffd"),
    "base64 that is none": (b'"a&b-c"', "a&b-c", "a&b-c"),
    "an ampersand alone": (b'"R&D"', "R&D", "R&D"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_opened_by_the_bytes_of_the_list(played: Played, name: str) -> None:
    listed, remote_id, display_name = NAMES[name]
    sent = listed.decode("utf-8", "replace")
    status = b"* STATUS " + listed + b" (MESSAGES 0 UNSEEN 0 UIDNEXT 1 UIDVALIDITY 7)"
    played.server.rules += [
        Rule("^LIST", adding(b'* LIST () "/" ' + listed, status), ALWAYS),
        Rule("^EXAMINE", EMPTY_FOLDER, ALWAYS),
        Rule("^UID SEARCH", b"* SEARCH\r\n{tag} OK Done\r\n", ALWAYS),
    ]

    listing = played.client.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS)

    [folder] = [each for each in listing.folders if each.remote_id == remote_id]
    assert folder.display_name == display_name
    feed = FeedRef(FeedId(2), FolderRef(FolderId(2), folder.remote_id))
    assert played.client.fetch_feed_page(feed, None, limit=9).changes == ()
    assert f"EXAMINE {sent}" in [text for _, text in played.server.commands]


def test_a_server_without_status_proves_no_folder_gone(played: Played) -> None:
    """As row 24: the refusal of a command is no word about a folder."""
    played.server.rules += [
        *capabilities("CONDSTORE"),
        Rule("^STATUS", b"{tag} BAD Unknown command\r\n", ALWAYS),
        Rule("^LIST", without("Archive"), ALWAYS),
    ]
    known = [a_known_folder(1, "Archive")]
    listing = played.client.list_folders(known, FolderTreeReadingMode.ALL_LISTED_FOLDERS)
    assert {each.remote_id: each.message_count for each in listing.folders}[
        RemoteId("INBOX")
    ] == len(ALL)
    assert listing.gone_folder_remote_ids == frozenset()
    assert listing.existing_unlisted_folder_remote_ids == {"Archive"}
