"""Act as the owner of a simulated mailbox: connect it by the API, and change its mail."""

import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from localdev.engine.failure import StartFailed
from localdev.engine.simulator_process import IMAP_HOST, ProviderSettings
from mailsync.api.provider_paths import sign_in_path
from mailsync.model import ProviderName

HTTP_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A connected simulated mailbox, with methods that call the API as the mailbox's owner.

    id: id of the account in the API.
    authorization_headers: HTTP headers with the owner's token.
    """

    id: str
    address: str
    api_url: str
    authorization_headers: dict[str, str]

    def status(self) -> dict[str, Any]:
        return self._json("GET", f"/api/email/sync?accountId={self.id}")

    def sync(self, sync_type: str = "manual") -> dict[str, Any]:
        """Start a sync, or join the running sync; return the API's response."""
        body = {"accountId": self.id, "syncType": sync_type}
        return self._json("POST", "/api/email/sync", json=body)

    def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        url = self.api_url + path
        response = httpx.request(
            method, url, headers=self.authorization_headers, timeout=HTTP_TIMEOUT_S, **arguments
        ).raise_for_status()
        found: dict[str, Any] = response.json()
        return found


def connect(
    api_url: str, provider: ProviderSettings, token: str, address: str | None = None
) -> DemoAccount:
    """Connect a simulated mailbox by the API; return the account.

    The account is connected by password over IMAP if `provider.imap_port` is not 0. Otherwise it is
    connected by a sign-in at `provider.sign_in_provider_name`, which is Microsoft 365 or Gmail.

    address: address of the mailbox. None: the simulators' first mailbox.

    Raises:
        StartFailed: the mailbox could not be connected, or there is no simulated mailbox.
    """
    address = address or _first_mailbox(provider)
    headers = {"Authorization": f"Bearer {token}"}
    connect_it = _connect_by_password if provider.imap_port else _connect_by_sign_in
    return DemoAccount(connect_it(api_url, provider, headers, address), address, api_url, headers)


def _connect_by_password(
    api_url: str, provider: ProviderSettings, headers: dict[str, str], address: str
) -> str:
    """Connect a mailbox on the simulated IMAP server; return the account's id."""
    login = {"userName": address, "password": provider.imap_password}
    server = {"host": IMAP_HOST, "port": provider.imap_port}
    response = httpx.post(
        f"{api_url}/api/email/accounts/imap",
        headers=headers,
        json={**login, **server},
        timeout=HTTP_TIMEOUT_S,
    )
    if response.is_error:
        raise StartFailed(f"The mailbox {address} could not be connected: {response.text}")
    return str(response.json()["accountId"])


def _connect_by_sign_in(
    api_url: str, provider: ProviderSettings, headers: dict[str, str], address: str
) -> str:
    """Sign in to a mailbox by the OAuth code flow, as a browser would; return the account's id."""
    trust = ssl.create_default_context(cafile=provider.ca_bundle)
    with httpx.Client(verify=trust, timeout=HTTP_TIMEOUT_S) as browser:
        sign_in = f"{api_url}{sign_in_path(ProviderName(provider.sign_in_provider_name))}"
        page = _next(browser.get(sign_in, headers=headers))
        browser.get(page).raise_for_status()
        callback = _next(browser.post(page, data={"account": address}))
        inbox = _next(browser.get(callback))
    return parse_qs(urlsplit(inbox).query)["accountId"][0]


def _first_mailbox(provider: ProviderSettings) -> str:
    try:
        return str(simulator(provider, "GET", "state")["mailboxes"][0]["address"])
    except (httpx.HTTPError, ValueError, LookupError) as error:
        raise StartFailed(
            f"There is no simulated mailbox at {provider.graph_url} ({type(error).__name__}): give"
            " --graph-url and --authority of simulators, or none; `up` lets you connect a real one."
        ) from None


def simulator(provider: ProviderSettings, method: str, action: str, **fields: Any) -> Any:
    """Send a request to `/_sim/ACTION` of the simulators' control API; return the parsed JSON of
    the response.

    fields: members of the request's JSON body.
    """
    response = httpx.request(
        method,
        url_of_simulator_control_action(provider, action),
        headers={"Authorization": f"Bearer {provider.control_secret}"},
        json=fields,
        timeout=HTTP_TIMEOUT_S,
    )
    return response.raise_for_status().json()


def url_of_simulator_control_action(provider: ProviderSettings, action: str) -> str:
    url = urlsplit(provider.graph_url)
    return f"{url.scheme}://{url.netloc}/_sim/{action}"


def _next(response: httpx.Response) -> str:
    if response.status_code != httpx.codes.FOUND:
        path = response.request.url.path
        raise StartFailed(f"The sign-in stopped at {path}: HTTP {response.status_code}.")
    return response.headers["location"]
