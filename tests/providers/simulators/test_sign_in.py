"""What the identity platform says of itself, and gives to the application."""

from pathlib import Path
from ssl import create_default_context
from urllib.parse import urlsplit

import httpx

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.graph_client import app_client, error_of


def test_an_app_reads_any_mailbox_but_has_no_me(simulators: Simulators, mailbox: Mailbox) -> None:
    with app_client(simulators) as app:
        inbox = app.get(f"/users/{mailbox.address}/mailFolders/inbox")
        unknown = app.get("/users/nobody@example.com")

        assert inbox.json()["displayName"] == "Inbox"
        assert error_of(app.get("/me")) == (400, "BadRequest")
        assert error_of(unknown) == (404, "Request_ResourceNotFound")


def test_every_link_bears_the_name_that_was_chosen(tmp_path: Path) -> None:
    """Containers know the host as localhost only."""
    with Simulators(tmp_path, host="localhost") as simulators:
        address = f"{simulators.authority}/v2.0/.well-known/openid-configuration"
        trust = create_default_context(cafile=simulators.ca_bundle)
        described = httpx.get(address, verify=trust).json()

    links = [each for each in described.values() if str(each).startswith("http")]
    assert len(links) > 2
    assert {urlsplit(each).hostname for each in [*links, simulators.graph_url]} == {"localhost"}
