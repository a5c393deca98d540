"""The torture from the command line; exit code 1 when a mirror differed from its mailbox."""

import argparse
import math
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from hypothesis.strategies import SearchStrategy

from localdev.engine.postgres import Postgres
from tests.support.toy_provider import KINDS
from tests.torture.crash_points import DEATHS, CrashPoints
from tests.torture.first_syncs import MESSAGES, FirstSyncs
from tests.torture.histories import falsified, stages
from tests.torture.plots import History, gmail_histories, imap_histories, toy_histories
from tests.torture.scenarios import ALL_SCENARIOS, SCENARIOS_BY_PROVIDER
from tests.torture.stage import FEW, Stage
from tests.torture.world import CHANGES_BY_IMAP_KIND, GMAIL_API, GRAPH, IMAP_KINDS, World

PROGRESS_S = 10
SHOWN = 10
KINDS_BY_PROVIDER = {GRAPH: (GRAPH,), "imap": tuple(IMAP_KINDS), GMAIL_API: (GMAIL_API,)}
"""The kinds of mailboxes of each provider. Syncs of the first kind are killed."""
COMMAND = ".venv/bin/python -m tests.torture"


class Progress:
    """A line now and then."""

    def __init__(self) -> None:
        self._printed_at = time.monotonic()

    def report(self, line: str) -> None:
        if time.monotonic() - self._printed_at >= PROGRESS_S:
            print(f"  {line}", flush=True)
            self._printed_at = time.monotonic()


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="torture-") as folder,
        Postgres(Path(folder) / "postgres") as postgres,
        World(postgres, Path(folder) / "simulators") as world,
    ):
        points, wrong_points = _try_points(world, options)
        failed = _try_first_syncs(world, options)
        events, wrong_history = _try_histories(world, options)
        for kind in KINDS if options.provider == GRAPH else KINDS_BY_PROVIDER[options.provider]:
            wrong_history += _try_histories_of_kind(world, kind, events, options)
    print(f"crash points tried         {points}")
    print(f"first syncs under faults   {options.first_syncs}")
    print(f"failed for good            {failed}")
    print(f"histories tried            {events.pop('histories', 0)}")
    for event, several in sorted(events.items()):
        print(f"  {event:<25}{several}")
    print(f"seed                       {options.seed}")
    print(f"duration                   {time.monotonic() - began:.0f} s")
    print(f"divergences                {wrong_points + wrong_history}")
    return 1 if wrong_points or failed or wrong_history else 0


def _try_points(world: World, options: argparse.Namespace) -> tuple[int, int]:
    """How many were tried, and how many left a mirror that differs."""
    tried = wrong = 0
    progress = Progress()
    if not options.stride:
        return 0, 0
    scenarios = SCENARIOS_BY_PROVIDER[options.provider]
    for scenario, dies in product(options.scenario or scenarios, options.dies or DEATHS):
        with CrashPoints(world, scenario, dies, KINDS_BY_PROVIDER[options.provider][0]) as points:
            chosen = _chosen(points, options)
            print(f"{scenario} sync, the {dies} dies: {len(chosen)} of {points.moments} moments")
            for trial in points.trials(chosen):
                tried += 1
                progress.report(f"moment {trial.moment} of {points.moments}")
                if trial.wrong:
                    wrong += 1
                    again = f"--provider {options.provider} --histories 0 --first-syncs 0"
                    _show(f"{again} {trial}", trial.wrong)
    return tried, wrong


def _chosen(points: CrashPoints, options: argparse.Namespace) -> Sequence[int]:
    """The moments at which a sync is killed."""
    if options.moment is not None:
        return [options.moment]
    every = range(1, points.moments + 1) if options.every_moment else points.distinct
    return every[:: options.stride]


def _try_first_syncs(world: World, options: argparse.Namespace) -> int:
    """How many failed for good, or left a mirror that differs."""
    if not options.first_syncs:
        return 0
    failed = 0
    progress = Progress()
    with FirstSyncs(world, MESSAGES, kind=KINDS_BY_PROVIDER[options.provider][0]) as syncs:
        print(f"first syncs under faults: {options.first_syncs}", flush=True)
        for trial in syncs.under_faults(options.first_syncs, seed=options.seed):
            progress.report(str(trial))
            if trial.wrong:
                failed += 1
                again = f"--first-syncs {options.first_syncs} --seed {options.seed}"
                again += f" --provider {options.provider}"
                _show(f"--stride 0 --histories 0 {again}", (str(trial), *trial.wrong))
    return failed


def _try_histories(world: World, options: argparse.Namespace) -> tuple[Counter[str], int]:
    """What was played, and 1 when a history was found that breaks the law."""
    events, progress = Counter[str](), Progress()
    number, seed = options.histories, options.seed
    if not number or options.provider != GRAPH:
        return events, 0

    def on_history() -> None:
        progress.report(f"history {events['histories']} of {number}")

    print(f"random histories: {number}", flush=True)
    with stages(world) as both:
        found = falsified(
            both, number=number, seed_number=seed, events=events, on_history=on_history
        )
    if found is None:
        return events, 0
    _show(f"--stride 0 --first-syncs 0 --histories {number} --seed {seed}", (found,))
    return events, 1


def _try_histories_of_kind(
    world: World, kind: str, events: Counter[str], options: argparse.Namespace
) -> int:
    """1 when a history of a kind of mailbox was found that breaks the law."""
    is_toy, progress = kind in KINDS, Progress()
    several = len(KINDS_BY_PROVIDER[options.provider])
    number = options.toy_histories if is_toy else math.ceil(options.histories / several)
    if not number:
        return 0
    began = events["histories"]

    def on_history() -> None:
        progress.report(f"history {events['histories'] - began} of {number}")

    print(f"random histories, {kind}: {number}", flush=True)
    with Stage(world, FEW, kind=kind) as stage:
        found = falsified(
            {False: stage},
            plots=_plots(kind),
            number=number,
            seed_number=options.seed,
            events=events,
            on_history=on_history,
        )
    if found:
        numbers = f"--histories {0 if is_toy else options.histories} --toy-histories {number}"
        again = f"--provider {options.provider} {numbers} --seed {options.seed}"
        _show(f"--stride 0 --first-syncs 0 {again}", (found,))
    return 1 if found else 0


def _plots(kind: str) -> SearchStrategy[History]:
    if kind == GMAIL_API:
        return gmail_histories()
    return imap_histories(CHANGES_BY_IMAP_KIND[kind]) if kind in IMAP_KINDS else toy_histories(kind)


def _show(options: str, wrong: Sequence[str]) -> None:
    print(f"DIVERGENCE {COMMAND} {options}")
    print(*(f"  {each}" for each in wrong[:SHOWN]), sep="\n", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Kills syncs at every call, lets requests fail, and plays random histories with"
        " wrong answers; compares the tables with the mailbox.",
    )
    add = parser.add_argument
    add("--provider", choices=KINDS_BY_PROVIDER, default=GRAPH, help="whose mailboxes (graph)")
    add("--histories", type=int, default=2000, metavar="N", help="random histories (2000)")
    add("--toy-histories", type=int, default=250, metavar="N", help="of each of three kinds (250)")
    add("--first-syncs", type=int, default=100, metavar="N", help="under random faults (100)")
    add("--seed", type=int, default=random.randrange(10**6), help="of what is random (random)")
    add("--stride", type=int, default=1, metavar="N", help="every N-th moment (1); 0: none")
    add("--every-moment", action="store_true", help="also those that leave the same state")
    add("--scenario", action="append", choices=ALL_SCENARIOS, help="only this sync is killed")
    add("--dies", action="append", choices=DEATHS, help="only this is what dies")
    add("--moment", type=int, metavar="N", help="only this moment, to see a divergence again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
