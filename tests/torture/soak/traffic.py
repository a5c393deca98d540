"""Mail that never rests: random changes of random mailboxes, and requests that fail."""

import random
from collections import Counter
from collections.abc import Sequence

from localdev.simulators.faults import Fault, FaultRule
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


def faults(rate: float) -> list[FaultRule]:
    """Rules that together strike this share of all requests."""
    return [FaultRule(fault=each, times=None, rate=rate / len(_FAULTS)) for each in _FAULTS]


class Traffic:
    """`change` changes something somewhere; `done` counts the changes by kind."""

    def __init__(self, mailboxes: Sequence[Mailbox], seed: int) -> None:
        self.done: Counter[str] = Counter()
        self._mailboxes = mailboxes
        self._random = random.Random(seed)

    def change(self) -> None:
        change = Change(
            self._random.choice(KINDS),
            self._random.randrange(_NUMBERS),
            self._random.randrange(_NUMBERS),
        )
        change.apply(self._random.choice(self._mailboxes))
        self.done[change.kind] += 1
