"""Mail that never rests: random changes of random mailboxes, and requests that fail."""

import random
from collections import Counter
from collections.abc import Sequence

from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.mailbox import Mailbox
from tests.torture.random_changes import IMAP_CHANGES, KINDS, Change

_NUMBERS = 1_000
_CHANGES = {"graph": KINDS, "imap": IMAP_CHANGES}
_GRAPH_FAULTS = (
    Fault(status=429, code="ApplicationThrottled", retry_after=2),
    Fault(status=429, code="ApplicationThrottled"),
    Fault(status=503, body=""),
    Fault(status=504),
    Fault(cut="mid body"),
    Fault(truncate_json=True),
)
_IMAP_FAULTS = (
    Fault(imap="NO", code="UNAVAILABLE"),
    Fault(imap="BAD", message="Request is throttled. Suggested Backoff Time: 2000 milliseconds"),
    Fault(imap="BYE"),
    Fault(cut="before answer"),
    Fault(cut="mid body"),
)


def faults(rate: float, provider: str = "graph") -> list[FaultRule]:
    """Rules that together strike this share of all requests."""
    kinds = _IMAP_FAULTS if provider == "imap" else _GRAPH_FAULTS
    return [FaultRule(fault=each, times=None, rate=rate / len(kinds)) for each in kinds]


class Traffic:
    """`change` changes something somewhere; `done` counts the changes by kind."""

    def __init__(self, mailboxes: Sequence[Mailbox], seed: int, provider: str = "graph") -> None:
        self.done: Counter[str] = Counter()
        self._kinds = _CHANGES[provider]
        self._mailboxes = mailboxes
        self._random = random.Random(seed)

    def change(self) -> None:
        change = Change(
            self._random.choice(self._kinds),
            self._random.randrange(_NUMBERS),
            self._random.randrange(_NUMBERS),
        )
        change.apply(self._random.choice(self._mailboxes))
        self.done[change.kind] += 1
