"""The real msal signs in over TLS, stays signed in, and learns when consent is gone."""

import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msal
import pytest
import requests

from localdev.simulators import CLIENT_ID, CLIENT_SECRET, Simulators
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.service import TENANT_ID
from tests.providers.simulators.graph_client import error_of

pytestmark = [
    # msal recommends form_post, which a callback by GET cannot take.
    pytest.mark.filterwarnings("ignore:response_mode:UserWarning"),
    # The server leaves closing its TLS sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
REDIRECT = "http://localhost:3000/api/auth/microsoft/callback"
SCOPES = ["Mail.Read", "User.Read"]


@pytest.fixture
def transport(simulators: Simulators) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.verify, session.trust_env = str(simulators.ca_bundle), False
        yield session


@pytest.fixture
def app(simulators: Simulators, transport: requests.Session) -> msal.ConfidentialClientApplication:
    return msal_app(simulators, transport)


def msal_app(
    simulators: Simulators,
    transport: requests.Session,
    *,
    secret: str = CLIENT_SECRET,
    tenant: str = "organizations",
) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        CLIENT_ID,
        client_credential=secret,
        authority=simulators.authority.replace("organizations", tenant),
        instance_discovery=False,
        http_client=transport,
    )


def a_browser(simulators: Simulators) -> httpx.Client:
    tls = ssl.create_default_context(cafile=simulators.ca_bundle)
    return httpx.Client(verify=tls, trust_env=False)


def consent(simulators: Simulators, flow: dict[str, Any], account: str) -> dict[str, str]:
    """What the browser brings back after the form was sent with that account."""
    with a_browser(simulators) as browser:
        page = browser.get(flow["auth_uri"])
        assert account in page.text
        response = browser.post(flow["auth_uri"], data={"account": account})
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query))


def consented(
    app: msal.ConfidentialClientApplication, simulators: Simulators, mailbox: Mailbox
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the flow that was begun, and what the browser brings back."""
    flow = app.initiate_auth_code_flow(SCOPES, redirect_uri=REDIRECT)
    return flow, consent(simulators, flow, mailbox.address)


def signed_in(
    app: msal.ConfidentialClientApplication, simulators: Simulators, mailbox: Mailbox
) -> dict[str, Any]:
    flow, brought = consented(app, simulators, mailbox)
    result: dict[str, Any] = app.acquire_token_by_auth_code_flow(flow, brought)
    assert "error" not in result, result
    return result


def test_the_code_flow_ends_with_a_token_that_graph_accepts(
    app: msal.ConfidentialClientApplication, simulators: Simulators, mailbox: Mailbox
) -> None:
    result = signed_in(app, simulators, mailbox)

    bearer = {"Authorization": f"Bearer {result['access_token']}"}
    me = httpx.get(f"{simulators.graph_url}/me", headers=bearer)
    assert me.json()["id"] == result["id_token_claims"]["oid"] == mailbox.user_id
    assert result["id_token_claims"]["preferred_username"] == mailbox.address


def test_a_code_works_once(
    app: msal.ConfidentialClientApplication, simulators: Simulators, mailbox: Mailbox
) -> None:
    flow, response = consented(app, simulators, mailbox)
    app.acquire_token_by_auth_code_flow(flow, response)

    with a_browser(simulators) as client:
        again = client.post(
            f"{simulators.authority}/oauth2/v2.0/token",
            data={
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "grant_type": "authorization_code",
                "code": response["code"],
                "redirect_uri": REDIRECT,
            },
        )

    assert again.json()["error"] == "invalid_grant"


def test_a_code_without_its_verifier_is_refused(
    app: msal.ConfidentialClientApplication, simulators: Simulators, mailbox: Mailbox
) -> None:
    flow, response = consented(app, simulators, mailbox)

    result = app.acquire_token_by_auth_code_flow({**flow, "code_verifier": "other"}, response)

    assert (result["error"], result["error_codes"]) == ("invalid_grant", [501481])


def test_refresh_tokens_rotate_and_stay_good(
    app: msal.ConfidentialClientApplication, simulators: Simulators, mailbox: Mailbox
) -> None:
    first = signed_in(app, simulators, mailbox)["refresh_token"]

    second = app.acquire_token_by_refresh_token(first, SCOPES)

    assert second["refresh_token"] != first
    assert "access_token" in app.acquire_token_by_refresh_token(first, ["Mail.Read"])


def test_a_revoked_grant_says_so(
    app: msal.ConfidentialClientApplication, simulators: Simulators, mailbox: Mailbox
) -> None:
    token = signed_in(app, simulators, mailbox)["refresh_token"]

    simulators.entra.consents.revoke(mailbox.user_id)

    result = app.acquire_token_by_refresh_token(token, SCOPES)
    assert (result["error"], result["error_codes"]) == ("invalid_grant", [50173])


def test_declining_brings_no_code(
    app: msal.ConfidentialClientApplication, simulators: Simulators, mailbox: Mailbox
) -> None:
    flow = app.initiate_auth_code_flow(SCOPES, redirect_uri=REDIRECT)
    with a_browser(simulators) as browser:
        response = browser.post(flow["auth_uri"], data={"decline": "1"})

    query = dict(parse_qsl(urlsplit(response.headers["Location"]).query))
    assert query["error"] == "access_denied"
    assert query["state"] == flow["state"]


def test_a_wrong_secret_is_refused(simulators: Simulators, transport: requests.Session) -> None:
    app = msal_app(simulators, transport, secret="wrong", tenant=TENANT_ID)

    result = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])

    assert (result["error"], result["error_codes"]) == ("invalid_client", [7000215])


def test_an_app_reads_any_mailbox_but_has_no_me(
    simulators: Simulators, transport: requests.Session, mailbox: Mailbox
) -> None:
    app = msal_app(simulators, transport, tenant=TENANT_ID)
    token = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    with httpx.Client(base_url=simulators.graph_url, headers=headers) as graph:
        inbox = graph.get(f"/users/{mailbox.address}/mailFolders/inbox")
        assert inbox.json()["displayName"] == "Inbox"
        assert error_of(graph.get("/me")) == (400, "BadRequest")
        unknown = error_of(graph.get("/users/nobody@example.com"))
        assert unknown == (404, "Request_ResourceNotFound")


def test_the_token_endpoint_fails_by_a_script_of_its_own(
    app: msal.ConfidentialClientApplication,
    simulators: Simulators,
    transport: requests.Session,
    mailbox: Mailbox,
) -> None:
    signed_in(app, simulators, mailbox)
    loop = {"status": 400, "code": "invalid_grant", "message": "AADSTS50196: A client loop."}
    busy = {"status": 429, "body": "Too Many Requests", "retry_after": 60}
    rules = [{"fault": loop}, {"fault": busy}]
    scripted = f"{simulators.control_url}/token-faults"
    httpx.post(scripted, json={"rules": rules}, headers=simulators.control_headers)
    url = f"{simulators.authority}/oauth2/v2.0/token"

    first, second, third = (transport.post(url, data={}) for _ in range(3))

    assert (first.status_code, first.json()["error"]) == (400, "invalid_grant")
    assert first.json()["error_codes"] == [50196]
    assert (second.status_code, second.headers["Retry-After"]) == (429, "60")
    assert second.text == "Too Many Requests"
    assert third.json()["error_codes"] == [700016]
