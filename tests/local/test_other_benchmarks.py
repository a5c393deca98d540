"""The benchmarks that no other test starts, each with little to do: that they run to their end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    "command",
    [
        "many_mailboxes --mailboxes 2 --messages 10",
        "removals --messages 1000",
        "placements --pages 3 --accounts 2 --messages 300",
        "graph.cpu --messages 200 --part 100",
        "imap.idle --messages 30 --folders 2 --inbox 10 --checks 1",
        "due_queue --accounts 200 --due 50 --claim 10 --times 2 --ticks 2",
    ],
)
def test_it_runs_to_its_end(command: str, tmp_path: Path) -> None:
    name, *options = command.split()
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'lambdas'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
