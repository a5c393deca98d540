"""Waiting for what the stack does by itself."""

import time
from collections.abc import Callable
from typing import TypeVar

LIMIT_S = 120
T = TypeVar("T")


def when(condition: Callable[[], T | None]) -> T:
    """What the condition gives once it is true; AssertionError after two minutes."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"Still {found!r} after {LIMIT_S} s."
        time.sleep(0.05)
    return found
