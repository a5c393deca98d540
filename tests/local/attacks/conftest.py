"""Stacks under attack, and the pages of an attacker."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import TEMPLATE
from tests.local.attacks.stack_process import StackProcess, stack_process
from tests.local.conftest import EVIL


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


@pytest.fixture(params=[EVIL, "localhost"])
def evil_page(request: pytest.FixtureRequest, browser: Browser, blank_port: int) -> Iterator[Page]:
    """An attacker's page, of another site and of another port of this machine."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(f"http://{request.param}:{blank_port}/")
    yield page
    context.close()
