"""How long a step waits for its provider itself, before the workflow does.

Every pause of every step is slept here, behind the request that was refused, so that nothing
which came before it in the step has to be asked again.
"""

import time
from collections.abc import Callable
from random import random

from mailsync.sync.budget import MAX_PAUSE_S, MAX_PAUSES, STEP_PATIENCE_S, pause_s


class Patience:
    """The patience of one step, used up by its pauses."""

    def __init__(
        self, sleep: Callable[[float], None] | None = None, *, total_s: float = STEP_PATIENCE_S
    ) -> None:
        self._sleep = sleep or time.sleep
        self._left_s = total_s

    def waits(self, asked_s: float | None, repeat: int) -> bool:
        """Whether to ask again; True comes after the pause.

        `asked_s` is the provider's figure, None when it gave none. `repeat` counts the pauses
        that this request has had.
        """
        if asked_s is None or repeat >= MAX_PAUSES:
            return False
        pause = pause_s(asked_s, repeat=repeat, spread=random())  # noqa: S311
        if pause > min(MAX_PAUSE_S, self._left_s):
            return False
        self._left_s -= pause
        self._sleep(pause)
        return True
