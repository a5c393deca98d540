"""`make bench PROVIDER=imap` with few messages: what it measures, not how fast it is."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.imap.mail import make_message
from tests.support.paths import ROOT

pytestmark = pytest.mark.long

PARTS = {"network", "IMAP", "MIME", "database", "other"}


def test_it_measures_all_three_at_each_round_trip_time(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.imap"),
            *("--messages=30", "--folders=1", "--rtt", "0", "5"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'lambdas'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if shutil.which("mbsync") is None:
        assert (done.returncode, "apt-get install -y isync" in done.stdout) == (1, True)
        return
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "build/bench-imap.json").read_text())["by_rtt_ms"]

    assert set(found) == {"0", "5"}
    for kinds in found.values():
        assert set(kinds) == {"bound", "mbsync", "mailsync", "parts"}
        [ours], [mbsync] = kinds["mailsync"], kinds["mbsync"]
        assert ours["messages"] == mbsync["messages"] == 30
        [parts] = kinds["parts"]
        assert set(parts["wall_s_by_part"]) == PARTS


def test_the_same_number_gives_the_same_message() -> None:
    assert make_message(7) == make_message(7)
    assert make_message(7) != make_message(8)
