"""First syncs of a mailbox whose provider fails at random."""

from collections.abc import Iterator
from dataclasses import dataclass

from localdev.simulators.behaviour import MicrosoftBehaviour
from localdev.simulators.faults import FaultRule, FaultScript
from tests.support.comparison import divergences
from tests.torture.gmail_lies import GMAIL_FAULTS
from tests.torture.imap_lies import IMAP_FAULTS
from tests.torture.plots import FAULTS
from tests.torture.stage import Stage
from tests.torture.world import GMAIL_API, GRAPH

LOWEST, HIGHEST = 0.02, 0.15
"""The share of the requests that fail."""
MESSAGES, PAGE = 100, 5
_FAULTS_BY_KIND = {
    GRAPH: [each for each in FAULTS.values() if each.page is None and each.status != 410],
    GMAIL_API: list(GMAIL_FAULTS.values()),
}
"""Those of all others are of IMAP servers."""


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

    def under_faults(self, several: int, *, seed: int) -> Iterator[Trial]:
        """Errors, cuts and 429s, fewer in the first sync than in the last."""
        faults = _FAULTS_BY_KIND.get(self.mirror.kind, list(IMAP_FAULTS.values()))
        for number in range(several):
            share = LOWEST + (HIGHEST - LOWEST) * number / max(1, several - 1)
            rules = [
                FaultRule(fault=fault, rate=share / len(faults), times=None) for fault in faults
            ]
            script = FaultScript(seed + number)
            script.add_rules(*rules)
            wrong = self._synced(script)
            yield Trial(number, share, sum(rule.injected_count for rule in rules), tuple(wrong))

    def _synced(self, faults: FaultScript) -> list[str]:
        self.set_back(is_synced=False)
        self.service.faults, self.service.behaviour = faults, MicrosoftBehaviour(largest_page=PAGE)
        ending = self.sync()
        self.service.faults = FaultScript()
        if ending.outcome != "completed":
            return [f"it ends as {ending.outcome}: {ending.cause}"]
        mirror = self.mirror
        return divergences(self.tables, mirror.account_id, mirror.mailbox, mirror.form)
