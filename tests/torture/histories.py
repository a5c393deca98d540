"""Random histories: whatever happens, fails and dies on the way, the last sync sets it right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from localdev.simulators.faults import Fault, FaultScript, Rule
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.switches import Switches
from tests.torture.changes import fill
from tests.torture.comparison import divergences
from tests.torture.crash_points import DEATHS
from tests.torture.random_changes import KINDS, Change
from tests.torture.world import Mirror, World

MESSAGES = 15
FAULTS = {
    "throttled": Fault(status=429, code="TooManyRequests", retry_after=0.1),
    "throttled, no pause named": Fault(status=429, code="TooManyRequests"),
    "throttled for long": Fault(status=429, code="TooManyRequests", retry_after=60),
    "empty 503": Fault(status=503, body=""),
    "503 of a proxy": Fault(status=503, html=True),
    "504": Fault(status=504, code="UnknownError"),
    "closed before the answer": Fault(cut="before answer"),
    "closed within the answer": Fault(cut="mid body"),
    "half a document": Fault(truncate_json=True),
    "link expired": Fault(status=410, code="SyncStateNotFound"),
    "everything twice": Fault(page="duplicate"),
    "same link": Fault(page="same link"),
    "empty page": Fault(page="empty"),
}
ODDITIES: Mapping[str, Mapping[str, Any]] = {
    "as observed": {},
    "old changes are told again": {"replayed_changes": 3},
    "returns are told": {"readd_is_lost": False},
    "arrivals are not told": {"move_in_reported": False},
    "read states come whole": {"read_state_is_partial": False},
    "only the newest link is good": {"generations_kept": 1},
    "purged mail cannot be read": {"purged_stay_readable": False},
}
"""What the provider does otherwise than usual, by the names of the simulator's switches."""
_numbers = count(1)


@dataclass(frozen=True)
class Mishap:
    """The `nth` request and those after it meet the fault, so many `times`."""

    fault: str
    nth: int
    times: int

    def rule(self) -> Rule:
        fault = FAULTS[self.fault]
        path = "/messages/delta" if fault.page else ""
        if fault.status == 410:
            path = "/messages/delta.*token"
        return Rule(fault=fault, nth=self.nth, times=self.times, path=path)


@dataclass(frozen=True)
class Round:
    """Changes, then one sync; `meanwhile` are changes when so many requests were served."""

    before: tuple[Change, ...] = ()
    meanwhile: Mapping[int, Change] | None = None
    mishaps: tuple[Mishap, ...] = ()
    oddity: str = "as observed"
    page: int = 50
    folder_order: int = 0
    fatal: int | None = None
    dies: str = DEATHS[0]
    at_once: bool = False


class _Script(FaultScript):
    """Faults, and changes of the mailbox while a sync is under way."""

    def __init__(self, mailbox: Mailbox, plan: Round) -> None:
        super().__init__()
        self.add(*(each.rule() for each in plan.mishaps))
        self._mailbox = mailbox
        self._meanwhile = dict(plan.meanwhile or {})
        self._requests = count(1)

    def next_for(self, method: str, path: str) -> Fault | None:
        if change := self._meanwhile.pop(next(self._requests), None):
            change.apply(self._mailbox)
        return super().next_for(method, path)


def falsified(
    world: World, *, histories: int, seed_number: int, told: Callable[[int], None]
) -> str | None:
    """The shortest history found after which tables and mailbox differ, and how; else None.

    `told` is called with the number of each history.
    """
    numbers = count(1)

    @seed(seed_number)
    @settings(
        max_examples=histories,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(rounds=st.lists(_rounds(), min_size=1, max_size=3))
    def history(rounds: list[Round]) -> None:
        told(next(numbers))
        check_history(world, rounds)

    try:
        history()
    except AssertionError as error:
        return "\n".join([*getattr(error, "__notes__", ()), str(error)])
    return None


def check_history(world: World, rounds: list[Round]) -> None:
    """Raises AssertionError with what differs at the end."""
    mailbox = world.simulators.add_mailbox(f"history-{next(_numbers)}@example.org")
    fill(mailbox, messages=MESSAGES)
    with world.connected(mailbox) as mirror:
        for each in rounds:
            _play(world, mirror, each)
        world.simulators.service.faults = FaultScript()
        world.simulators.service.switches = Switches()
        last = world.sync(mirror)
        assert last.outcome == "completed", f"the last sync fails: {last.outcome} {last.cause}"
        with world.opened(mirror) as tables:
            wrong = divergences(tables, mirror.account_id, mailbox)
    assert not wrong, "\n".join(wrong)


def _play(world: World, mirror: Mirror, plan: Round) -> None:
    for change in plan.before:
        change.apply(mirror.mailbox)
    service = world.simulators.service
    service.switches = Switches(largest_page=plan.page, **ODDITIES[plan.oddity])
    service.faults = _Script(mirror.mailbox, plan)
    world.sync(
        mirror,
        fatal=plan.fatal,
        dies=plan.dies,
        folder_order=plan.folder_order,
        at_once=plan.at_once,
    )


def _rounds() -> st.SearchStrategy[Round]:
    # Few enough that a history comes back to the same message and folder.
    number = st.integers(0, 2 * MESSAGES)
    changes = st.builds(Change, st.sampled_from(KINDS), number, number)
    mishaps = st.builds(
        Mishap, st.sampled_from(sorted(FAULTS)), st.integers(1, 40), st.sampled_from((1, 2, 3, 40))
    )
    return st.builds(
        Round,
        before=st.lists(changes, max_size=6).map(tuple),
        meanwhile=st.dictionaries(st.integers(1, 60), changes, max_size=2),
        mishaps=st.lists(mishaps, max_size=2).map(tuple),
        oddity=st.sampled_from(sorted(ODDITIES)),
        page=st.sampled_from((1, 3, 7, 50)),
        folder_order=st.integers(0, 9),
        fatal=st.none() | st.integers(1, 700),
        dies=st.sampled_from(DEATHS),
        at_once=st.booleans(),
    )
