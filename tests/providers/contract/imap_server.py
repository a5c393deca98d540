"""IMAP servers for the contract: a real Dovecot and the simulated server, behind a proxy that fails
as a test wants."""

import ssl

from localdev.simulators.mailbox import Mailbox
from mailsync.model import NO_EXPIRY, AccessToken
from mailsync.providers import MailProvider
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.providers.imap.gmail_mailbox import GmailImapMailbox
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.servers import AllowedServers
from tests.providers.contract.server import Malformation
from tests.support.dovecot import PASSWORD
from tests.support.dovecot_mailbox import DovecotMailbox
from tests.support.gmail_imap_form import GmailImapForm
from tests.support.imap_form import ImapForm
from tests.support.scripted_imap import Edit, Rule, ScriptedImap

WRONG = "not the password"


def _first_half(found: list[bytes]) -> list[bytes]:
    return [found[0][: len(found[0]) // 2]]


MALFORMED: dict[Malformation, tuple[bytes | Edit | str, str | None]] = {
    "another protocol": (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "cut"),
    "half an answer": (_first_half, "cut"),
    "cut off": (lambda found: found[:-1], "cut"),
    "closed": ("cut", None),
}


class Passwords:
    """A `CountingAccess`; a password that is withdrawn is a wrong one."""

    def __init__(self) -> None:
        self.renewed = 0
        self.present, self.next = PASSWORD, PASSWORD

    def get_current_token(self) -> AccessToken:
        return AccessToken(self.present, NO_EXPIRY)

    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken:
        self.renewed += 1
        self.present = self.next
        return self.get_current_token()


class ProxiedImap:
    """Implements `ContractServer`. Its client connects anew after each failure, as each state of
    the workflow does."""

    def __init__(self, proxy: ScriptedImap, mailbox: Mailbox, form: ImapForm, user: str) -> None:
        self.mailbox, self.form, self.access = mailbox, form, Passwords()
        self._proxy, self._user = proxy, user
        self._client = self._new_client()
        self.recover()

    @property
    def provider(self) -> MailProvider:
        if isinstance(self.mailbox, DovecotMailbox):
            self.mailbox.replay()
        return self._client

    def throttle(self, pause_s: float) -> None:
        busy = f"Request is throttled. Suggested Backoff Time: {pause_s * 1000:.0f} milliseconds"
        self._inject(Rule("^(?!GREETING)", f"{{tag}} BAD {busy}\r\n".encode(), None))

    def fail(self) -> None:
        self._inject(Rule("", b"* BYE Out of order\r\n", None))

    def malform(self, how: Malformation) -> None:
        reply, then = MALFORMED[how]
        self._inject(Rule("^(?!LOGIN|AUTH|CAPA|GREETING)", reply, None, then))  # type: ignore[arg-type]

    def withdraw_token(self, *, for_ever: bool = False) -> None:
        self.access.present = WRONG
        self.access.next = WRONG if for_ever else PASSWORD
        self._connect_anew()

    def recover(self) -> None:
        self._proxy.rules.clear()

    def close(self) -> None:
        self._client.close()
        if isinstance(self.mailbox, DovecotMailbox):
            self.mailbox.close()

    def _inject(self, rule: Rule) -> None:
        self._proxy.rules[:] = [rule]

    def _connect_anew(self) -> None:
        self._client.close()
        self._client = self._new_client()

    def _new_client(self) -> ImapMailbox:
        port = self._proxy.port
        servers = AllowedServers(
            frozenset({f"localhost:{port}"}), is_any_public_server_allowed=False
        )
        address = ImapMailboxLocation("localhost", port, self._user)
        context = ssl.create_default_context(cafile=self._proxy.certificate)
        kind = GmailImapMailbox if isinstance(self.form, GmailImapForm) else ImapMailbox
        return kind(address, self.access, servers, context)
