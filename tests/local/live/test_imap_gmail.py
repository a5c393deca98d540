"""`make live PROVIDER=imap` reads a mailbox at Gmail as one mailbox with labels."""

from pathlib import Path

import pytest

from localdev.live.imap.kit import KIT
from localdev.live.imap.relay import ImapUpstream, is_relay_token_of_gmail_server
from localdev.live.record import Recorder
from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.imap.options import ImapOptions
from mailsync.settings import Settings
from tests.support.gmail_imap_form import GMAIL_OPTIONS


@pytest.mark.parametrize(("options", "expected"), [(GMAIL_OPTIONS, True), (ImapOptions(), False)])
def test_the_account_is_read_with_labels_if_the_server_has_them(
    options: ImapOptions, tmp_path: Path, *, expected: bool
) -> None:
    with Simulators(
        tmp_path / "mail", imap_ports=SimulatedImapServerSettings(password="built-in")
    ) as simulators:
        imap = simulators.imap
        assert imap
        simulators.find_or_create_mailbox("ann@example.org")
        imap.current_options = options
        trust = Settings({"CA_BUNDLE": str(imap.certificate)}).provider_tls_context()
        upstream = ImapUpstream(
            host="localhost",
            port=imap.tls_port,
            tls_context=trust,
            user_name="ann@example.org",
            password="built-in",
        )
        with KIT.open_relay(tmp_path / "relay") as relay:
            token = relay.add_upstream_and_make_relay_token(
                upstream, Recorder(KIT.recordable_names_and_words)
            )

    assert is_relay_token_of_gmail_server(token) is expected
