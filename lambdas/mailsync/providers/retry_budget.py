"""Sleep between retries of provider requests, within a limit for each Lambda invocation.

A Lambda function sleeps during short pauses and then repeats only the failed request. For a longer
pause, the workflow waits in a Wait state.
"""

import time
from collections.abc import Callable
from random import random

from mailsync.decisions.budget import (
    MAX_PAUSE_WITHOUT_WAIT_STATE_S,
    MAX_PAUSES_PER_REQUEST,
    MAX_TOTAL_PAUSE_PER_TASK_STATE_S,
    compute_retry_pause_s,
)


class RetryBudget:
    """A limit on the seconds that one Lambda invocation sleeps between retries.

    total_s: the limit, in seconds.
    """

    def __init__(
        self,
        sleep: Callable[[float], None] | None = None,
        *,
        total_s: float = MAX_TOTAL_PAUSE_PER_TASK_STATE_S,
    ) -> None:
        self._sleep = sleep or time.sleep
        self._left_s = total_s

    def sleep_if_budget_allows(self, requested_s: float | None, repeat: int) -> bool:
        """Sleep before a retry and return True. Return False without sleeping if the pause would
        exceed the rest of the budget or `MAX_PAUSE_WITHOUT_WAIT_STATE_S`, or if the request was
        retried `MAX_PAUSES_PER_REQUEST` times.

        requested_s: pause that the provider requested, in seconds. None: the request must not be
            retried.
        repeat: number of earlier pauses for this request.
        """
        if requested_s is None or repeat >= MAX_PAUSES_PER_REQUEST:
            return False
        pause = compute_retry_pause_s(requested_s, repeat=repeat, jitter=random())  # noqa: S311
        if pause > min(MAX_PAUSE_WITHOUT_WAIT_STATE_S, self._left_s):
            return False
        self._left_s -= pause
        self._sleep(pause)
        return True
