"""`make bench` with few messages: what it measures, not how fast it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.graph.model import REQUESTS_IN_FLIGHT
from tests.support.paths import ROOT

pytestmark = pytest.mark.long


def test_it_measures_both_ways_beside_the_bound(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.graph", "--messages=50", "--folders=3"),
            *("--spread=skewed", "--full-ms=1", "--ids-only=0.1", "--guide-pages=3"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'lambdas'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [row] = json.loads((tmp_path / "build/bench.json").read_text())["rows"]
    ours, guide = row["ours"], row["guide"]

    assert 0 < row["bound_s"] < ours["newest_s"] < ours["wall_s"]
    assert 1 <= ours["max_in_flight"] <= REQUESTS_IN_FLIGHT
    assert (ours["throttled"], ours["failed_invocations"]) == (0, 0)
    assert ours["cpu_ms_per_message"] > 0
    assert ours["sync_folder_memory_mb"] > 0
    assert (guide["pages"], guide["is_estimated"]) == (6, True)
    assert guide["wall_s"] > 6 * 0.1
    assert "<svg" in (tmp_path / "build/first-sync-graph.svg").read_text()
    assert row["mailbox"] in done.stdout
