"""First syncs of a mailbox whose provider fails at random, or has slots for two requests only."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localdev.simulators.behaviour import Behaviour, Latency
from localdev.simulators.faults import FaultScript, Rule
from tests.support.comparison import divergences
from tests.torture.plots import FAULTS
from tests.torture.stage import Stage
from tests.torture.world import World

LOWEST, HIGHEST = 0.02, 0.15
"""The share of the requests that fail."""
MESSAGES, PAGE = 100, 5
_FAULTS = [fault for fault in FAULTS.values() if fault.page is None and fault.status != 410]


@dataclass(frozen=True)
class Trial:
    """`wrong` says why the sync failed, or in what the mirror differs from the mailbox after it."""

    number: int
    share: float
    faults: int
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return f"first sync {self.number}: {self.share:.0%} of the requests fail, {self.faults} did"


class FirstSyncs(Stage):
    """One mailbox that is synced for the first time again and again."""

    def __init__(self, world: World, messages: int = MESSAGES) -> None:
        super().__init__(world, messages)

    def under_faults(self, several: int, *, seed: int) -> Iterator[Trial]:
        """Errors, cuts and 429s, fewer in the first sync than in the last."""
        for number in range(several):
            share = LOWEST + (HIGHEST - LOWEST) * number / max(1, several - 1)
            rules = [Rule(fault=fault, rate=share / len(_FAULTS), times=None) for fault in _FAULTS]
            script = FaultScript(seed + number)
            script.add(*rules)
            wrong = self._synced(script, Behaviour(largest_page=PAGE))
            yield Trial(number, share, sum(rule.injected_count for rule in rules), tuple(wrong))

    def in_two_slots(self) -> list[str]:
        """What is wrong after a sync while other applications use two slots of four.

        The folder tree is read once, whatever is throttled, and once more by the verification.
        """
        self.service.latency = Latency(fixed_s=0.02)
        try:
            behaviour = Behaviour(requests_in_flight=2)
            wrong = self._synced(FaultScript(), behaviour, at_once=True, dies="function")
        finally:
            self.service.latency = Latency()
        asked = list(enumerate(self.service.log.records()))
        trees = [at for at, each in asked if each.path.endswith("/mailFolders/delta")]
        mail = [at for at, each in asked if "/messages" in each.path]
        if len(trees) != 2 or not trees[0] < min(mail) <= max(mail) < trees[1]:
            wrong.append(f"the folder tree was not read once, and once to verify: {trees}")
        if all(each.status != 429 for _, each in asked):
            wrong.append("two slots were enough for all that was asked at once")
        return wrong

    def _synced(self, faults: FaultScript, behaviour: Behaviour, **fields: Any) -> list[str]:
        self.set_back(is_synced=False)
        self.service.faults, self.service.behaviour = faults, behaviour
        ending = self.sync(**fields)
        self.service.faults = FaultScript()
        if ending.outcome != "completed":
            return [f"it ends as {ending.outcome}: {ending.cause}"]
        return divergences(self.tables, self.mirror.account_id, self.mirror.mailbox)
