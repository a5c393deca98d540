"""Random histories: whatever happens, fails, dies or is said wrong on the way, the law holds after
each sync, and the schedule sets everything right without a person."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.torture.play import Play
from tests.torture.plots import History, histories
from tests.torture.stage import FEW, MANY, Stage
from tests.torture.world import World

Stages = Mapping[bool, Stage]


@dataclass
class Tally:
    """What was played, and what came of it."""

    histories: int = 0
    events: Counter[str] = field(default_factory=Counter)


@contextmanager
def stages(world: World) -> Iterator[Stages]:
    """A mailbox of few messages and one of many, by whether it is large."""
    with Stage(world, FEW) as few, Stage(world, MANY) as many:
        yield {False: few, True: many}


def falsified(
    stages: Stages,
    *,
    number: int,
    seed_number: int,
    on_history: Callable[[], None],
    tally: Tally,
) -> str | None:
    """The shortest history found that breaks the law, and how; None when none does.

    `on_history` is called after each history.
    """

    @seed(seed_number)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(plot=histories())
    def history(plot: History) -> None:
        tally.histories += 1
        check_history(stages, plot, tally)
        on_history()

    try:
        history()
    except AssertionError as error:
        return "\n".join([*getattr(error, "__notes__", ()), str(error)])
    return None


def check_history(stages: Stages, plot: History, tally: Tally | None = None) -> None:
    """Raises AssertionError with what is against the law."""
    play = Play(stages[plot.is_large], plot)
    try:
        play.run()
    finally:
        if tally:
            tally.events += play.events
