"""What the identity platform says of itself, and gives to the application."""

from pathlib import Path
from ssl import create_default_context
from urllib.parse import urlsplit

import httpx
import msal
import pytest
import requests

from localdev.simulators import Simulators
from localdev.simulators.entra.server import CLIENT_ID
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.graph_client import app_client, error_of, graph_client


def test_an_app_reads_any_mailbox_but_has_no_me(simulators: Simulators, mailbox: Mailbox) -> None:
    with app_client(simulators) as app:
        inbox = app.get(f"/users/{mailbox.address}/mailFolders/inbox")
        unknown = app.get("/users/nobody@example.com")

        assert inbox.json()["displayName"] == "Inbox"
        assert error_of(app.get("/me")) == (400, "BadRequest")
        assert error_of(unknown) == (404, "Request_ResourceNotFound")


class Device:
    """A program without a secret that signs in with a code, by msal."""

    def __init__(self, simulators: Simulators, *, allowed: bool = True) -> None:
        simulators.service.set_microsoft_behaviour_switches(public_clients_allowed=allowed)
        session = requests.Session()
        session.trust_env = False
        session.verify = str(simulators.ca_bundle)
        self.app = msal.PublicClientApplication(
            CLIENT_ID,
            authority=simulators.entra_authority_url,
            instance_discovery=False,
            http_client=session,
        )
        self.flow = self.app.initiate_device_flow(["Mail.Read", "User.Read"])

    def poll(self) -> dict[str, str]:
        """Ask once, and at once, whether the person has entered the code."""
        self.flow["latest_attempt_at"] = 0
        found: dict[str, str] = self.app.acquire_token_by_device_flow(
            self.flow, exit_condition=lambda _: True
        )
        return found

    def enter_code(self, simulators: Simulators, **form: str) -> int:
        trust = create_default_context(cafile=simulators.ca_bundle)
        fields = {"user_code": self.flow["user_code"], **form}
        return httpx.post(self.flow["verification_uri"], data=fields, verify=trust).status_code


def test_a_device_signs_in_with_a_code_and_renews_its_token_without_a_secret(
    simulators: Simulators, mailbox: Mailbox
) -> None:
    device = Device(simulators)
    assert device.poll()["error"] == "authorization_pending"
    assert device.enter_code(simulators, account=mailbox.address, user_code="WRONG") == 400

    assert device.enter_code(simulators, account=mailbox.address) == 200
    first = device.poll()
    [account] = device.app.get_accounts()
    renewed = device.app.acquire_token_silent(["Mail.Read"], account, force_refresh=True)

    assert account["username"] == mailbox.address
    assert first["scope"] == "Mail.Read User.Read"
    assert renewed["access_token"] != first["access_token"]
    with graph_client(simulators, mailbox) as graph:
        bearer = {"Authorization": f"Bearer {renewed['access_token']}"}
        assert graph.get("/me", headers=bearer).json()["mail"] == mailbox.address


def test_a_device_gets_no_token_unless_the_application_allows_programs_without_a_secret(
    simulators: Simulators, mailbox: Mailbox
) -> None:
    """Else every user of a developer's machine could read the mail of `make dev --mbox`."""
    device = Device(simulators, allowed=simulators.service.behaviour.public_clients_allowed)

    assert device.enter_code(simulators, account=mailbox.address) == 200

    assert "AADSTS7000218" in device.poll()["error_description"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"decline": "1"}, "authorization_declined"),
        ({"account": "nobody"}, "authorization_pending"),
    ],
)
def test_a_device_gets_no_token_before_a_user_accepts(
    simulators: Simulators, form: dict[str, str], error: str
) -> None:
    device = Device(simulators)

    device.enter_code(simulators, **form)

    assert device.poll()["error"] == error


def test_every_link_bears_the_name_that_was_chosen(tmp_path: Path) -> None:
    """Containers know the host as localhost only."""
    with Simulators(tmp_path, host="localhost") as simulators:
        address = f"{simulators.entra_authority_url}/v2.0/.well-known/openid-configuration"
        trust = create_default_context(cafile=simulators.ca_bundle)
        described = httpx.get(address, verify=trust).json()

    links = [each for each in described.values() if str(each).startswith("http")]
    assert len(links) > 2
    assert {urlsplit(each).hostname for each in [*links, simulators.graph_url]} == {"localhost"}
