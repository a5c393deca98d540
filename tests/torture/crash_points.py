"""A sync is killed at every moment in turn; whoever comes next must leave an equal mirror."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from tests.torture.changes import change_everything, fill
from tests.torture.comparison import divergences, row_numbers
from tests.torture.sync_process import Ending
from tests.torture.world import Mirror, World

PAGE = 7
SCENARIOS = ("initial", "incremental")
DEATHS = ("execution", "function", "look")
_numbers = count(1)


@dataclass(frozen=True)
class Point:
    """What dies in which sync at which moment, counted from 1."""

    scenario: str
    dies: str
    moment: int

    def __str__(self) -> str:
        return f"--scenario {self.scenario} --dies {self.dies} --moment {self.moment}"


@dataclass(frozen=True)
class Trial:
    """`wrong` is empty when nothing was lost and nothing came twice."""

    point: Point
    wrong: tuple[str, ...]


class CrashPoints:
    """The moments of one sync that begins anew for each of them."""

    def __init__(self, world: World, scenario: str, dies: str) -> None:
        self._world = world
        self._scenario = scenario
        self._dies = dies
        # A thousand syncs of one mailbox within ten minutes are more than Graph would allow.
        # What is looked at is to fit on a page, so that all of it is stored there and then.
        page = sys.maxsize if dies == "look" else PAGE
        world.simulators.service.set_switches(largest_page=page, requests_per_window=sys.maxsize)
        self._mirror = _mirror(world, scenario)
        with world.opened(self._mirror) as tables:
            self._numbers = row_numbers(tables)
        self._restore_links = world.links()
        with world.copy(self._mirror) as whole:
            self.moments = world.sync(whole, dies=dies).moments

    def trials(self, *, first: int = 1, stride: int = 1) -> Iterator[Trial]:
        for moment in range(first, self.moments + 1, stride):
            yield Trial(Point(self._scenario, self._dies, moment), tuple(self._try(moment)))

    def _try(self, moment: int) -> Iterator[str]:
        world = self._world
        self._restore_links()
        with world.copy(self._mirror) as mirror:
            ending = world.sync(mirror, fatal=moment, dies=self._dies)
            if ending.outcome == "killed":
                ending = self._resume(mirror, console=moment % 2 == 0)
            if ending.outcome != "completed":
                yield f"the sync that follows fails: {ending.outcome} {ending.cause}"
            with world.opened(mirror) as tables:
                yield from divergences(tables, mirror.account_id, mirror.mailbox)
                after = row_numbers(tables)
                repairs = tables.run("SELECT sum(repair_rounds) FROM mailsync.sync_runs")[0][0]
            if repairs:
                yield "the proof had to repair what the pages should have told"
            for message_id, number in self._numbers.items():
                if after.get(message_id, number) != number:
                    yield f"row {number} was deleted although its message lives"

    def _resume(self, mirror: Mirror, *, console: bool) -> Ending:
        """By the trigger, which closes the dead run, or after its lease has expired."""
        if console:
            with self._world.opened(mirror) as tables:
                tables.run(
                    "UPDATE mailsync.email_accounts SET lease_until = now() - interval '1 s'"
                )
        return self._world.sync(mirror, console=console)


def _mirror(world: World, scenario: str) -> Mirror:
    mailbox = world.simulators.add_mailbox(f"{scenario}-{next(_numbers)}@example.org")
    fill(mailbox)
    mirror = world.connect(mailbox)
    if scenario == "incremental":
        world.sync(mirror)
        change_everything(mailbox)
    return mirror
