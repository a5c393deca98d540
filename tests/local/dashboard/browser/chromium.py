"""The system's own Chromium; Playwright only drives it."""

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def program() -> str:
    """Chromium's path; without it the test is skipped here and fails in CI, which installs it."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return found
    sentence = "Chromium is missing; on Debian: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


def arguments() -> list[str]:
    """Chromium refuses to be root with its sandbox."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []
