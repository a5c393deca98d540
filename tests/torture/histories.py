"""Random histories: whatever happens, fails, dies or is said wrong on the way, the law holds after
each sync, and the schedule sets everything right without a person."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from tests.torture.play import Play
from tests.torture.plots import History, histories
from tests.torture.stage import FEW, MANY, Stage
from tests.torture.world import World

Stages = Mapping[bool, Stage]
"""A mailbox of few messages, and one of many, by whether it is large."""


@contextmanager
def stages(world: World) -> Iterator[Stages]:
    with Stage(world, FEW) as few, Stage(world, MANY) as many:
        yield {False: few, True: many}


def falsified(
    stages: Stages,
    *,
    plots: SearchStrategy[History] | None = None,
    number: int,
    seed_number: int,
    events: Counter[str],
    on_history: Callable[[], object] = lambda: None,
) -> str | None:
    """The shortest history found that breaks the law, and how; None when none does.

    `plots` draws them; None: those of Microsoft Graph. `events` counts what was played, and what
    came of it. `on_history` is called after each history.
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
    @given(plot=histories() if plots is None else plots)
    def history(plot: History) -> None:
        events["histories"] += 1
        Play(stages[plot.is_large], plot, events).run()
        on_history()

    try:
        history()
    except AssertionError as error:
        return "\n".join([*getattr(error, "__notes__", ()), str(error)])
    return None
