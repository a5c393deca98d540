"""The system's own Chromium, which Playwright only drives, and a site without content."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright

from localdev.http_server import Response, Server

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EVIL = "evil.example"
"""A name whose owner made it resolve to loopback: every port of this machine has it."""
ARGUMENTS = (
    f"--host-resolver-rules=MAP {EVIL} 127.0.0.1, MAP *.example.org 127.0.0.1",
    "--force-prefers-reduced-motion",  # else a mark that pulses is painted sixty times a second
)


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Skips the test without Chromium; fails it in CI, which installs it."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        sentence = "Chromium is missing; on Debian: apt-get install chromium"
        pytest.fail(sentence) if os.environ.get("CI") else pytest.skip(sentence)
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # which Chromium refuses to be with it
    opened = playwright.chromium.launch(executable_path=program, args=[*as_root, *ARGUMENTS])
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def blank_port() -> Iterator[int]:
    """Of a server with an empty page at every address."""
    page = Response(200, b"<!doctype html><title>Blank</title>", {"Content-Type": "text/html"})
    server = Server(lambda _: page, port=0, guard=None).start()
    yield server.port
    server.stop()
