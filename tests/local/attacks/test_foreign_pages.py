"""Pages that a developer has open in Chromium attack each port of `make dev`."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Response

from tests.local.attacks.stack_process import StackProcess
from tests.local.conftest import EVIL

pytestmark = pytest.mark.long

SEND = """async ([url, options]) => {
  try {
    const response = await fetch(url, { ...options, signal: AbortSignal.timeout(10000) });
    return response.type === "opaque" ? "sent" : await response.text();
  } catch (error) {
    return "failed";
  }
}"""
SUBMIT = """([action, fields]) => {
  const form = Object.assign(document.createElement("form"), { action, method: "POST" });
  for (const [name, value] of Object.entries(fields))
    form.append(Object.assign(document.createElement("input"), { name, value }));
  document.body.append(form);
  form.submit();
}"""
POST = {"method": "POST", "mode": "no-cors", "body": "{}"}


def send(page: Page, url: str, **options: Any) -> Any:
    return page.evaluate(SEND, [url, options])


def navigated(page: Page, url: str) -> Response:
    """The response to a link that the page follows by itself."""
    with page.expect_navigation() as navigation:
        page.evaluate("url => { location.href = url }", url)
    return navigation.value


def statuses(page: Page, act: Any) -> dict[str, set[int]]:
    """Return the statuses by URL of each response to the browser, also of those that it hides."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    sent: dict[str, str] = {}
    answered: list[tuple[str, int]] = []
    session.on(
        "Network.requestWillBeSent",
        lambda event: sent.update({event["requestId"]: event["request"]["url"]}),
    )
    session.on(
        "Network.responseReceivedExtraInfo",
        lambda event: answered.append((event["requestId"], event["statusCode"])),
    )
    act()
    session.detach()
    found: dict[str, set[int]] = {}
    for request, status in answered:
        found.setdefault(sent[request], set()).add(status)
    return found


def test_each_port_rejects_what_a_foreign_page_sends(
    simulated: StackProcess, evil_page: Page
) -> None:
    urls = [f"{scheme}://localhost:{port}/" for port, scheme in simulated.http_ports().items()]
    assert len(urls) >= 6  # API, AWS, dashboard, Graph, sign-in, and a Runtime API at least

    def attack() -> None:
        for url in urls:
            send(evil_page, url, mode="no-cors")
            send(evil_page, url, **POST)
            send(evil_page, url, headers={"X-Amz-Target": "AWSStepFunctions.ListStateMachines"})

    assert statuses(evil_page, attack) == {url: {403} for url in urls}


def test_each_port_rejects_a_name_that_was_made_to_resolve_to_it(
    simulated: StackProcess, browser: Browser
) -> None:
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    for port, scheme in simulated.http_ports().items():
        opened = page.goto(f"{scheme}://{EVIL}:{port}/")

        assert opened is not None
        assert (port, opened.status) == (port, 403)
        assert "Host header" in send(page, "/data/accounts")  # the page may read its own origin
    context.close()


def test_no_page_consents_at_the_sign_in(simulated: StackProcess, evil_page: Page) -> None:
    """Where it could choose a mailbox, and have the code sent to its own server."""
    fields = {
        "client_id": httpx.URL(simulated.authority).params["client_id"],
        "redirect_uri": evil_page.url,
        "response_type": "code",
        "account": "ada@example.com",
    }
    with evil_page.expect_navigation() as navigation:
        evil_page.evaluate(SUBMIT, [simulated.authority.partition("?")[0], fields])

    assert (navigation.value.status, "code=" in evil_page.url) == (403, False)


@pytest.mark.parametrize("name", ["localhost", EVIL])
def test_a_dashboard_of_real_mail_shows_a_foreign_page_nothing(
    real: StackProcess, browser: Browser, blank_port: int, name: str
) -> None:
    """Even in the browser that holds its cookie."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(real.url("Dashboard"))
    page.get_by_role("navigation").get_by_role("link", name="Accounts").click()
    page.get_by_text("ada@example.com").first.wait_for()
    data = real.url("Dashboard").partition("?")[0] + "data/accounts"

    page.goto(f"http://{name}:{blank_port}/")
    response = send(page, data, credentials="include")
    opened = navigated(page, data)
    context.close()

    assert (response, opened.status) == ("failed", 403)
