"""The torture from the command line; exit code 1 when a mirror differed from its mailbox."""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from localdev.engine.postgres import Postgres
from tests.torture.crash_points import DEATHS, CrashPoints
from tests.torture.scenarios import SCENARIOS
from tests.torture.histories import falsified
from tests.torture.world import World

PROGRESS_S = 10
SHOWN = 10
COMMAND = ".venv/bin/python -m tests.torture"


class Progress:
    """A line now and then."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()

    def say(self, line: str) -> None:
        if time.monotonic() - self._said_at >= PROGRESS_S:
            print(f"  {line}", flush=True)
            self._said_at = time.monotonic()


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    began, seed = time.monotonic(), options.seed
    with (
        tempfile.TemporaryDirectory(prefix="torture-") as folder,
        Postgres(Path(folder) / "postgres") as postgres,
        World(postgres, Path(folder) / "simulators") as world,
    ):
        points, wrong_points = _try_points(world, options)
        histories, wrong_history = _try_histories(world, options.histories, seed)
    divergences = wrong_points + wrong_history
    print(f"crash points tried  {points}")
    print(f"histories tried     {histories}")
    print(f"seed                {seed}")
    print(f"duration            {time.monotonic() - began:.0f} s")
    print(f"divergences         {divergences}")
    return 1 if divergences else 0


def _try_points(world: World, options: argparse.Namespace) -> tuple[int, int]:
    """How many were tried, and how many left a mirror that differs."""
    tried = wrong = 0
    progress = Progress()
    stride = options.stride if options.moment is None else sys.maxsize
    if not stride:
        return 0, 0
    for scenario in options.scenario or SCENARIOS:
        for dies in options.dies or DEATHS:
            points = CrashPoints(world, scenario, dies)
            print(f"{scenario} sync, the {dies} dies: {points.moments} moments", flush=True)
            for trial in points.trials(first=options.moment or 1, stride=stride):
                tried += 1
                progress.say(f"moment {trial.point.moment} of {points.moments}")
                if trial.wrong:
                    wrong += 1
                    print(f"DIVERGENCE {COMMAND} --histories 0 {trial.point}")
                    print(*(f"  {each}" for each in trial.wrong[:SHOWN]), sep="\n", flush=True)
    return tried, wrong


def _try_histories(world: World, histories: int, seed: int) -> tuple[int, int]:
    """How many were tried, and 1 when one was found that ends with a difference."""
    tried = 0
    progress = Progress()

    def told(number: int) -> None:
        nonlocal tried
        tried = number
        progress.say(f"history {number} of {histories}")

    if not histories:
        return 0, 0
    print(f"random histories: {histories}", flush=True)
    found = falsified(world, histories=histories, seed_number=seed, told=told)
    if found is None:
        return tried, 0
    print(f"DIVERGENCE {COMMAND} --stride 0 --histories {histories} --seed {seed}")
    print(found, flush=True)
    return tried, 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Kills syncs at every call and along random histories, resumes them, and"
        " compares the tables with the mailbox.",
    )
    add = parser.add_argument
    add("--histories", type=int, default=2000, metavar="N", help="random histories (2000)")
    add("--seed", type=int, default=random.randrange(10**6), help="of the histories (random)")
    add("--stride", type=int, default=1, metavar="N", help="every N-th moment (1); 0: none")
    add("--scenario", action="append", choices=SCENARIOS, help="only this sync is killed")
    add("--dies", action="append", choices=DEATHS, help="only this is what dies")
    add("--moment", type=int, metavar="N", help="only this moment, to see a divergence again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
