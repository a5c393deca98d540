"""A browser at the dashboard of a whole stack, each test with a fresh window."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.local.dashboard.browser.browsed_stack import BrowsedStack
from tests.support.small_stack import small_stack

WAIT_MS = 30_000
# Refusals of the server are shown on the page; the browser's own line about them says no more.
REFUSAL = "Failed to load resource"


@pytest.fixture(scope="session")
def application(blank_port: int) -> str:
    """The origin of an application."""
    return f"http://localhost:{blank_port}"


@pytest.fixture(scope="session")
def mirror(
    browser: Browser, application: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowsedStack]:
    """Connected, and its first sync finished. Needs the browser so that none means no stack."""
    folder = tmp_path_factory.mktemp("stack")
    with small_stack(folder, cors_origins=(application,)) as stack:
        yield BrowsedStack.of(stack)


@pytest.fixture
def page(browser: Browser, mirror: BrowsedStack) -> Iterator[Page]:
    """A window of its own; nothing in it may break or be refused by the page's policy."""
    complaints: list[str] = []
    # The identity platform's certificate is of the stack's own authority.
    context = browser.new_context(base_url=mirror.url, ignore_https_errors=True)
    opened = context.new_page()
    opened.set_default_timeout(WAIT_MS)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.extend(_complaint(message)))
    yield opened
    context.close()
    mirror.at_rest()
    assert complaints == []


def _complaint(message: ConsoleMessage) -> Iterator[str]:
    if message.type == "error" and REFUSAL not in message.text:
        yield message.text
