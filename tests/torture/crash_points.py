"""Kill a sync at each moment in turn; the next worker must leave an equal mirror."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.comparison import divergences, row_numbers
from tests.torture.orders import Ending
from tests.torture.scenarios import CONFIRMED_H, SCENARIOS_BY_PROVIDER
from tests.torture.stage import Stage
from tests.torture.world import GMAIL, GMAIL_API, GRAPH, World

PAGE = 7
DEATHS = ("execution", "function", "check")


@dataclass(frozen=True)
class Trial:
    """What dies in which sync at which moment, counted from 1.

    `wrong` is empty when nothing was lost and nothing came twice.
    """

    scenario: str
    dies: str
    moment: int
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return f"--scenario {self.scenario} --dies {self.dies} --moment {self.moment}"


class CrashPoints(Stage):
    """The moments of one sync that begins anew for each of them.

    Most moments lie within a transaction or between calls that change nothing: a death there leaves
    the state of the moment before. `distinct` are enough moments to leave every state, and to have
    each of them recovered in both ways.
    """

    def __init__(self, world: World, scenario: str, dies: str, kind: str = GRAPH) -> None:
        self._scenario = SCENARIOS_BY_PROVIDER[kind.partition(" ")[0]][scenario]
        super().__init__(world, self._scenario.messages, f"{scenario}-{dies}", kind)
        self._at = (scenario, dies)
        self._dies = dies
        self.moments = 0
        self.distinct: list[int] = []

    def trials(self, moments: Iterable[int]) -> Iterator[Trial]:
        for moment in moments:
            yield Trial(*self._at, moment, tuple(self._try(moment)))

    def _prepare(self) -> None:
        # A thousand syncs of one mailbox within ten minutes are more than Graph would allow.
        # What a check reads must fit on a page, so that the check stores all of it.
        is_stored_by_check = self._dies == "check" and self._scenario.max_events is None
        page = sys.maxsize if is_stored_by_check else PAGE
        self.service.set_microsoft_behaviour_switches(
            largest_page=page, requests_per_window=sys.maxsize
        )
        self.limit_gmail_pages(min(page, 500))
        self._scenario.prepare(self)
        self._numbers = row_numbers(self.tables)
        self._before = self._snapshot()
        if not self._scenario.is_shown_after:
            self._require_shown()
        whole = self._killed(None, provider_file=str(self.service.data / "microsoft.sqlite"))
        if self._scenario.is_shown_after:
            self._require_shown()
        self.moments, self.distinct = whole.moments, list(self._distinct(whole))

    def _distinct(self, whole: Ending) -> Iterator[int]:
        """The last moments of each state, when most is under way that must come to nothing.

        There are two where moments that are odd and even are recovered in two ways.
        """
        ways = 1 if self._dies == "function" else 2
        for first, following in zip(
            whole.states, [*whole.states[1:], whole.moments + 1], strict=True
        ):
            yield from range(max(first, following - ways), following)

    def _try(self, moment: int) -> Iterator[str]:
        self._before.restore()
        ending = self._killed(moment)
        if ending.outcome == "killed":
            ending = self._resume(console=moment % 2 == 0)
        if ending.outcome != "completed":
            yield f"the sync that follows fails: {ending.outcome} {ending.cause}"
        yield from self._wrong()
        self.pass_time(CONFIRMED_H)
        self.sync(is_forked=False)
        yield from self._wrong(is_confirmed=True)

    def _killed(self, fatal: int | None, **fields: Any) -> Ending:
        """The sync of the scenario, with its faults."""
        self.service.faults.add_rules(*self._scenario.faults(self.mailbox))
        fields |= {"max_events": self._scenario.max_events, **self._slices}
        ending = self.sync(fatal=fatal, dies=self._dies, **fields)
        self.service.faults.remove_all_rules()
        return ending

    def _resume(self, *, console: bool) -> Ending:
        """By the trigger, which closes the dead run, or after its lease has expired."""
        if console:
            self.tables.run(
                "UPDATE mailsync.email_accounts SET lease_until = now() - interval '1 s'"
            )
        return self.sync(
            console=console, is_forked=False, max_events=self._scenario.max_events, **self._slices
        )

    @property
    def _slices(self) -> dict[str, Any]:
        return {"sliced_from": self._scenario.sliced_from}

    def _wrong(self, *, is_confirmed: bool = False) -> Iterator[str]:
        of_mirror = (self.mirror.account_id, self.mailbox, self.mirror.form)
        yield from divergences(self.tables, *of_mirror, is_confirmed=is_confirmed)
        after = row_numbers(self.tables)
        repairs = self.tables.run("SELECT sum(repair_rounds) FROM mailsync.sync_runs")[0][0]
        # In the feed of a mailbox a new folder is compared, whatever the pages told of it.
        compares_new = self.mirror.kind in (GMAIL, GMAIL_API)
        if repairs and not self._scenario.mends and not compares_new:
            yield "the verification had to repair what the pages should have told"
        for message_id, number in self._numbers.items():
            if after.get(message_id, number) != number:
                yield f"row {number} was deleted although its message lives"

    def _require_shown(self) -> None:
        """The scenario is about what it says."""
        [[shown]] = self.tables.run(self._scenario.shows)
        assert shown > 0, f"{self._at[0]}: {self._scenario.shows} is {shown}"
