"""Pauses between retries of provider requests, within one step.

A function sleeps short pauses right behind the rejected request, so it need not repeat the requests
before that one. Longer pauses are a Wait state of the workflow.
"""

import time
from collections.abc import Callable
from random import random

from mailsync.decisions.budget import (
    MAX_PAUSE_S,
    MAX_PAUSES_PER_REQUEST,
    STEP_PAUSE_BUDGET_S,
    retry_pause_s,
)


class RetryBudget:
    """The seconds that one step may sleep between retries, `total_s` in all."""

    def __init__(
        self, sleep: Callable[[float], None] | None = None, *, total_s: float = STEP_PAUSE_BUDGET_S
    ) -> None:
        self._sleep = sleep or time.sleep
        self._left_s = total_s

    def pause(self, requested_s: float | None, repeat: int) -> bool:
        """Sleep before a retry and return True; return False at once if the budget forbids the
        retry.

        requested_s: the pause that the provider named. Without one (None) nothing is retried.
        repeat: the number of earlier pauses of this request.
        """
        if requested_s is None or repeat >= MAX_PAUSES_PER_REQUEST:
            return False
        pause = retry_pause_s(requested_s, repeat=repeat, jitter=random())  # noqa: S311
        if pause > min(MAX_PAUSE_S, self._left_s):
            return False
        self._left_s -= pause
        self._sleep(pause)
        return True
