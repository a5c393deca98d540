"""Pauses between retries of provider requests, within one step.

A step sleeps here, behind the request that was refused, so it does not repeat the requests before
it. Longer pauses are a Wait of the workflow.
"""

import time
from collections.abc import Callable
from random import random

from mailsync.decisions.budget import (
    MAX_PAUSE_S,
    MAX_PAUSES_PER_REQUEST,
    STEP_PAUSE_BUDGET_S,
    pause_s,
)


class RetryBudget:
    """The seconds that one step may sleep between retries, `total_s` in all."""

    def __init__(
        self, sleep: Callable[[float], None] | None = None, *, total_s: float = STEP_PAUSE_BUDGET_S
    ) -> None:
        self._sleep = sleep or time.sleep
        self._left_s = total_s

    def pause(self, asked_s: float | None, repeat: int) -> bool:
        """Sleep before a retry, and return True; return False at once if the budget forbids it.

        `asked_s` is the pause that the provider named, None if it named none: then nothing is
        retried. `repeat` is the number of earlier pauses of this request.
        """
        if asked_s is None or repeat >= MAX_PAUSES_PER_REQUEST:
            return False
        pause = pause_s(asked_s, repeat=repeat, jitter=random())  # noqa: S311
        if pause > min(MAX_PAUSE_S, self._left_s):
            return False
        self._left_s -= pause
        self._sleep(pause)
        return True
