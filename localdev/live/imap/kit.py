"""Compare a mail server over IMAP with the simulated IMAP server."""

import getpass
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localdev.engine.dev_login import DEMO_USER_ID
from localdev.live.imap.relay import (
    RELAY_USER_NAME,
    ImapRelay,
    ImapUpstream,
    UpstreamConnection,
    is_relay_token_of_gmail_server,
    relay_port_of_token,
)
from localdev.live.imap.words import RECORDABLE_NAMES_AND_WORDS
from localdev.live.kit import LiveComparisonFailed, SimulatedProvider
from localdev.live.record import Recorder
from localdev.mail.generate import generate_mail_items
from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.behaviour import LATENCY_BY_NAME
from localdev.simulators.mailbox import Mailbox
from mailsync.credentials.token_set import seal_password
from mailsync.credentials.vault import SealingKey
from mailsync.model import AccountId, ProviderName
from mailsync.providers.imap.address import TLS_PORT, ImapMailboxLocation
from mailsync.providers.imap.known_servers import find_server_of_address
from mailsync.settings import Settings
from mailsync.store.credential_store import CredentialStore

_ADDRESS, _PASSWORD = "baseline@example.com", "built-in"
_MESSAGES, _CHANGED = 600, 20  # several pages, and part of one
_PAGE = "docs/live.md says how to run this."


class ImapLiveComparisonKit:
    """Compares a mail server with the simulated one; implements `LiveComparisonKit`."""

    provider_name = ProviderName("imap")
    recordable_names_and_words = RECORDABLE_NAMES_AND_WORDS

    def open_relay(self, folder: Path) -> ImapRelay:
        return ImapRelay(folder)

    def store_account_with_relay_token(
        self, store: CredentialStore, key: SealingKey, token: str
    ) -> AccountId:
        has_labels = is_relay_token_of_gmail_server(token)
        address = ImapMailboxLocation(
            "localhost", relay_port_of_token(token), RELAY_USER_NAME, has_labels
        )
        return store.connect_account(
            user_id=DEMO_USER_ID,
            provider=self.provider_name,
            provider_account_id=address.to_remote_id(),
            email_address="mailbox@localhost",
            seal=lambda account_id: seal_password(account_id, token, key),
        )

    def sign_in(self, environment: Mapping[str, str], recorder: Recorder) -> ImapUpstream:
        """Ask the user for the password. Log in to the mail server once, as a test; return the
        server with the user's login.

        Raises:
            LiveComparisonFailed: a setting is missing, or the server cannot be reached or refuses
                the login.
        """
        address = environment.get("IMAP_ADDRESS", "")
        if "@" not in address:
            raise LiveComparisonFailed(f"Set IMAP_ADDRESS to the address of your mailbox. {_PAGE}")
        known = find_server_of_address(address)
        host, _, port = environment.get("IMAP_SERVER", known.host if known else "").partition(":")
        if not host or not (port or "1").isdecimal():
            raise LiveComparisonFailed(
                f"Set IMAP_SERVER to the mail server, such as imap.example.org:993. {_PAGE}"
            )
        upstream = ImapUpstream(
            host=host,
            port=int(port or TLS_PORT),
            tls_context=Settings(environment).provider_tls_context(),
            user_name=environment.get("IMAP_USER_NAME") or address,
            password=getpass.getpass(f"Password of {address} for {host}: "),
        )
        try:
            with UpstreamConnection(upstream, recorder) as server:
                is_signed_in = b"\nl OK" in b"\n" + server.log_in()
        except OSError as failure:
            raise LiveComparisonFailed(
                f"{host}:{upstream.port} does not answer ({failure}). {_PAGE}"
            ) from None
        if not is_signed_in:
            raise LiveComparisonFailed(f"{host} refused the login of {upstream.user_name}. {_PAGE}")
        return upstream

    @contextmanager
    def run_simulated_provider(
        self, folder: Path, recorder: Recorder, *, latency: str
    ) -> Iterator[SimulatedProvider]:
        with Simulators(
            folder, imap_ports=SimulatedImapServerSettings(password=_PASSWORD)
        ) as simulators:
            assert simulators.imap
            mailbox = simulators.find_or_create_mailbox(_ADDRESS)
            mailbox.import_mail_items(generate_mail_items(_MESSAGES, owner=_ADDRESS))
            simulators.service.latency = LATENCY_BY_NAME[latency]
            trust = Settings({"CA_BUNDLE": str(simulators.imap.certificate)}).provider_tls_context()
            upstream = ImapUpstream(
                host="localhost",
                port=simulators.imap.tls_port,
                tls_context=trust,
                user_name=_ADDRESS,
                password=_PASSWORD,
            )
            with UpstreamConnection(upstream, recorder) as server:
                server.log_in()
            yield SimulatedProvider(
                upstream, _changes(mailbox), lambda _: _stack_options(simulators)
            )


KIT = ImapLiveComparisonKit()


def _changes(mailbox: Mailbox) -> Callable[[], None]:
    """Return a function that delivers some messages, and marks others as read."""

    def change() -> None:
        unread = [each for each in mailbox.list_messages_in_folders("inbox") if not each.is_read]
        for message in unread[:_CHANGED]:
            mailbox.set_message_read(message.message_number, is_read=True)
        for item in generate_mail_items(_CHANGED, owner=_ADDRESS, seed=2):
            mailbox.deliver_message(item)

    return change


def _stack_options(simulators: Simulators) -> Mapping[str, Any]:
    """Return options of a stack that starts no simulators of its own. The options must name a Graph
    and an identity platform. They name those of `simulators`, to which the stack sends no request,
    because it has no Microsoft account."""
    return {
        "graph_url": simulators.graph_url,
        "authority": simulators.entra_authority_url,
        "environment": {
            "MICROSOFT_CLIENT_ID": "unused",
            "MICROSOFT_CLIENT_SECRET": "unused",
            "CA_BUNDLE": str(simulators.ca_bundle),
        },
    }
