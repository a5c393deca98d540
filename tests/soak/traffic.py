"""Mail that never rests: random changes of random mailboxes, at a steady rate."""

import random
import threading
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from localdev.simulators.faults import Fault, Rule
from localdev.simulators.mailbox import Mailbox
from tests.torture.random_changes import KINDS, Change

_NUMBERS = 1_000
_FAULTS = (
    Fault(status=429, code="ApplicationThrottled", retry_after=2),
    Fault(status=429, code="ApplicationThrottled"),
    Fault(status=503, body=""),
    Fault(status=504),
    Fault(cut="mid body"),
    Fault(truncate_json=True),
)


def faults(rate: float) -> list[Rule]:
    """Rules that together strike this share of all requests."""
    return [Rule(fault=each, times=None, rate=rate / len(_FAULTS)) for each in _FAULTS]


class Traffic:
    """Changes from entering to leaving the context; `done` counts them by kind."""

    def __init__(self, mailboxes: Sequence[Mailbox], *, per_second: float, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self._mailboxes = mailboxes
        self._pause_s = 1 / per_second
        self._random = random.Random(seed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._ended.wait(self._pause_s):
            change = Change(
                self._random.choice(KINDS),
                self._random.randrange(_NUMBERS),
                self._random.randrange(_NUMBERS),
            )
            change.apply(self._random.choice(self._mailboxes))
            self.done[change.kind] += 1
