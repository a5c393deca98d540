"""A sync is killed at every moment in turn; whoever comes next must leave an equal mirror."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from tests.torture.changes import fill
from tests.torture.comparison import divergences, row_numbers
from tests.torture.orders import Ending
from tests.torture.scenarios import CONFIRMED_H, SCENARIOS
from tests.torture.world import Mirror, World

PAGE = 7
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
        self._name = scenario
        self._scenario = SCENARIOS[scenario]
        self._dies = dies
        # A thousand syncs of one mailbox within ten minutes are more than Graph would allow.
        # What is looked at is to fit on a page, so that all of it is stored there and then.
        page = sys.maxsize if dies == "look" else PAGE
        world.simulators.service.set_behaviour(largest_page=page, requests_per_window=sys.maxsize)
        self._mirror = self._prepared()
        with world.opened(self._mirror) as tables:
            self._numbers = row_numbers(tables)
        self._restore_links = world.links()
        with world.copy(self._mirror) as whole:
            self.moments = self._sync(whole).moments
            self._require_shown(whole if self._scenario.mends else self._mirror)

    def trials(self, *, first: int = 1, stride: int = 1) -> Iterator[Trial]:
        for moment in range(first, self.moments + 1, stride):
            yield Trial(Point(self._name, self._dies, moment), tuple(self._try(moment)))

    def _try(self, moment: int) -> Iterator[str]:
        world = self._world
        self._restore_links()
        with world.copy(self._mirror) as mirror:
            ending = self._sync(mirror, fatal=moment)
            if ending.outcome == "killed":
                ending = self._resume(mirror, console=moment % 2 == 0)
            if ending.outcome != "completed":
                yield f"the sync that follows fails: {ending.outcome} {ending.cause}"
            yield from self._wrong(mirror)
            world.let_time_pass(mirror, CONFIRMED_H)
            world.sync(mirror, is_forked=False)
            yield from self._wrong(mirror, is_confirmed=True)

    def _sync(self, mirror: Mirror, fatal: int | None = None) -> Ending:
        """The sync of the scenario, with its faults."""
        faults = self._world.simulators.service.faults
        faults.add(*self._scenario.faults(mirror.mailbox))
        ending = self._world.sync(mirror, fatal=fatal, dies=self._dies)
        faults.clear()
        return ending

    def _resume(self, mirror: Mirror, *, console: bool) -> Ending:
        """By the trigger, which closes the dead run, or after its lease has expired."""
        if console:
            with self._world.opened(mirror) as tables:
                tables.run(
                    "UPDATE mailsync.email_accounts SET lease_until = now() - interval '1 s'"
                )
        return self._world.sync(mirror, console=console)

    def _wrong(self, mirror: Mirror, *, is_confirmed: bool = False) -> Iterator[str]:
        with self._world.opened(mirror) as tables:
            account_id, mailbox = mirror.account_id, mirror.mailbox
            yield from divergences(tables, account_id, mailbox, is_confirmed=is_confirmed)
            after = row_numbers(tables)
            repairs = tables.run("SELECT sum(repair_rounds) FROM mailsync.sync_runs")[0][0]
        if repairs and not self._scenario.mends:
            yield "the verification had to repair what the pages should have told"
        for message_id, number in self._numbers.items():
            if after.get(message_id, number) != number:
                yield f"row {number} was deleted although its message lives"

    def _require_shown(self, mirror: Mirror) -> None:
        """The scenario is about what it says."""
        with self._world.opened(mirror) as tables:
            [[shown]] = tables.run(self._scenario.shows)
        assert shown > 0, f"{self._name}: {self._scenario.shows} is {shown}"

    def _prepared(self) -> Mirror:
        mailbox = self._world.simulators.add_mailbox(f"{self._name}-{next(_numbers)}@example.org")
        fill(mailbox, messages=self._scenario.messages)
        mirror = self._world.connect(mailbox)
        self._scenario.prepare(self._world, mirror)
        return mirror
