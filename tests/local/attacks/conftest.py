"""Stacks under attack, and the browser and pages of an attacker."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Playwright

from localdev.http_server import Request, Response, Server
from tests.conftest import TEMPLATE
from tests.local.attacks.stack_process import StackProcess, stack_process
from tests.local.dashboard.browser.chromium import arguments, program

EVIL = "evil.example"
"""A name whose owner made it resolve to loopback: every port of this machine has it."""


@pytest.fixture(scope="session")
def simulated() -> Iterator[StackProcess]:
    """With a simulated mailbox, in a database of its own: dev login is on."""
    with stack_process() as stack:
        yield stack


@pytest.fixture(scope="session")
def real(create_database: Callable[[str], str]) -> Iterator[StackProcess]:
    """With a database of the developer's."""
    with stack_process("--database-url", create_database(TEMPLATE)) as stack:
        yield stack


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    rules = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
    opened = playwright.chromium.launch(executable_path=program(), args=[*arguments(), rules])
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def evil_port() -> Iterator[int]:
    """Of a server with an empty page at every address."""

    def response(_: Request) -> Response:
        return Response(200, b"<!doctype html><body>", {"Content-Type": "text/html"})

    server = Server(response, port=0, guard=None).start()
    yield server.port
    server.stop()


@pytest.fixture(params=[EVIL, "localhost"])
def evil_page(request: pytest.FixtureRequest, browser: Browser, evil_port: int) -> Iterator[Page]:
    """An attacker's page, of another site and of another port of this machine."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(f"http://{request.param}:{evil_port}/")
    yield page
    context.close()
