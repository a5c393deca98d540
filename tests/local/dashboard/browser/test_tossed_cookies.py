"""A sibling of the API's host, in Chromium: it must not bind a victim's mailbox to its own user.

The attacker, Mallory, is a user of the same application and controls evil.example.org; the API is
api.example.org. He begins a sign-in of his own, sets its cookie in the victim's browser by every
means that a sibling has, and has the victim open the link: Ann agrees at Microsoft's own page.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from localdev.engine.dev_login import DEMO_USER_ID
from localdev.http_server import Request, RequestHandlerFunction, Response, Server
from localdev.simulators.entra.certificates import open_server_tls_context
from tests.local.dashboard.browser.browsed_stack import BrowsedStack
from tests.local.dashboard.browser.conftest import WAIT_MS

pytestmark = pytest.mark.xdist_group("browser")
expect.set_options(timeout=WAIT_MS)

FORWARDED = ("Accept", "Authorization", "Content-Type", "Cookie")
ACCOUNTS = "SELECT count(*) FROM mailsync.email_accounts WHERE user_id = '{}'"
# What a sibling sends as Set-Cookie; {0} is the name of the cookie and {1} its value.
TOSSED = (
    "{0}={1}; Path=/; Domain=example.org; Secure",
    "{0}={1}; Path=/api/auth; Domain=example.org",
    "{0}={1}; Path=/api/auth/microsoft/callback; Domain=example.org",
    "mailsync_sign_in={1}; Path=/; Domain=example.org",
    "\u2000{0}={1}; Path=/; Domain=example.org",
    "\xa0{0}={1}; Path=/; Domain=example.org",
    "={0}={1}; Path=/; Domain=example.org",
    "{0}={1}; Path=/; Secure",
)


@dataclass(frozen=True)
class Hosts:
    api: str
    evil: str


@pytest.fixture(scope="module")
def serve(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[RequestHandlerFunction], int]]:
    """Starts an application under https and returns its port."""
    tls, _ = open_server_tls_context(tmp_path_factory.mktemp("tls"))
    servers: list[Server] = []

    def start(application: RequestHandlerFunction) -> int:
        servers.append(Server(application, port=0, tls=tls, guard=None).start())
        return servers[-1].port

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def tossed() -> list[str]:
    """The Set-Cookie headers of evil.example.org, once the attacker has begun."""
    return []


@pytest.fixture(scope="module")
def hosts(
    mirror: BrowsedStack, serve: Callable[[RequestHandlerFunction], int], tossed: list[str]
) -> Iterator[Hosts]:
    """The real API as a deployment has it, under https and its own host name."""

    def api(request: Request) -> Response:
        sent = request.headers
        headers = {name: sent[name].encode("latin-1") for name in FORWARDED if name in sent}
        response = httpx.request(
            request.method,
            f"{mirror.stack.api_url}{request.path}?{request.query_string}",
            headers=httpx.Headers([(name.encode(), each) for name, each in headers.items()]),
            content=request.body,
            timeout=60,
        )
        passed_on = {
            name: response.headers[name]
            for name in ("content-type", "location")
            if name in response.headers
        }
        return Response(
            response.status_code,
            response.content,
            passed_on,
            tuple(response.headers.get_list("set-cookie")),
        )

    def evil(_: Request) -> Response:
        page = b"<!doctype html><title>Evil</title>"
        utf8 = tuple(each.encode().decode("latin-1") for each in tossed)
        return Response(200, page, {"Content-Type": "text/html"}, utf8)

    hosts = Hosts(
        f"https://api.example.org:{serve(api)}", f"https://evil.example.org:{serve(evil)}"
    )
    mirror.reload(PUBLIC_URL=hosts.api)
    yield hosts
    mirror.reload(PUBLIC_URL=mirror.stack.api_url)


@pytest.fixture
def victim(browser: Browser) -> Iterator[Page]:
    """A browser that finds these hosts, without any cookie."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    yield page
    context.close()


def json_headers(mirror: BrowsedStack, user: str) -> dict[str, str]:
    return {**mirror.headers_of(user), "Accept": "application/json"}


def begun_by_mallory(mirror: BrowsedStack, hosts: Hosts, tossed: list[str]) -> str:
    """The link that the victim is to open; the cookie lies on the sibling host by then."""
    api = mirror.stack.api_url
    begun = httpx.get(
        f"{api}/api/auth/microsoft", headers=json_headers(mirror, "mallory"), timeout=60
    )
    assert begun.status_code == 200, begun.text
    name, value = begun.headers["set-cookie"].split(";")[0].split("=", 1)
    tossed[:] = [each.format(name, value) for each in TOSSED]
    return str(begun.json()["authorizationUrl"])


def agree(page: Page, mirror: BrowsedStack) -> None:
    page.get_by_role("button", name=mirror.account.address).click()


def test_a_tossed_cookie_and_an_attackers_link_connect_nothing(
    mirror: BrowsedStack, hosts: Hosts, victim: Page, tossed: list[str]
) -> None:
    link = begun_by_mallory(mirror, hosts, tossed)
    victim.goto(hosts.evil)
    for each in tossed:
        victim.evaluate("(each) => { document.cookie = each }", each)

    victim.goto(link)
    agree(victim, mirror)

    expect(victim).to_have_url(re.compile(rf"^{mirror.url}.*error=invalid_request"))
    assert mirror.rows(ACCOUNTS.format("mallory")) == [[0]]


def test_in_the_same_browser_an_own_sign_in_goes_on(
    mirror: BrowsedStack, hosts: Hosts, victim: Page, tossed: list[str]
) -> None:
    """Chromium takes and returns the cookie with the prefix; a sibling cannot spoil it."""
    victim.goto(f"{hosts.api}/api/health")
    options: Any = {"headers": json_headers(mirror, DEMO_USER_ID)}
    begun = victim.evaluate(
        "async (options) => (await fetch('/api/auth/microsoft', options)).json()", options
    )
    begun_by_mallory(mirror, hosts, tossed)
    victim.goto(hosts.evil)

    victim.goto(begun["authorizationUrl"])
    agree(victim, mirror)

    expect(victim).to_have_url(re.compile(rf"^{mirror.url}.*accountId={mirror.account.id}"))
    mirror.at_rest()
