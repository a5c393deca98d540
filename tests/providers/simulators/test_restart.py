"""A killed simulator continues where it was: mailbox, tokens and links."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from localdev.simulators import Simulators
from tests.providers.simulators.graph_client import IMMUTABLE, INBOX_DELTA, delta_round


@contextmanager
def simulator_process(data: Path, *options: str) -> Iterator[tuple[dict[str, Any], int]]:
    """What it printed when it was ready, and its process id."""
    command = [sys.executable, "-m", "localdev.simulators", "--data", str(data), *options]
    environment = {**os.environ, "PYTHONPATH": "lambdas:."}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline()), process.pid
        finally:
            process.kill()


def test_a_killed_process_continues_with_mailbox_tokens_and_links(tmp_path: Path) -> None:
    simulators = Simulators(tmp_path)
    token = simulators.access_token(simulators.add_mailbox("ada@example.com"))
    simulators.stop()
    headers = {"Authorization": f"Bearer {token}", "Prefer": IMMUTABLE}

    with (
        simulator_process(tmp_path, "--messages", "60") as (ready, pid),
        httpx.Client(base_url=ready["graphUrl"], headers=headers) as graph,
    ):
        walked, link = delta_round(graph, INBOX_DELTA)
        os.kill(pid, signal.SIGKILL)
    port = str(ready["graphPort"])
    with (
        simulator_process(tmp_path, "--graph-port", port, "--messages", "60") as (again, _),
        httpx.Client(base_url=again["graphUrl"], headers=headers) as graph,
    ):
        later, _ = delta_round(graph, link)
        walked_again, _ = delta_round(graph, INBOX_DELTA)

    assert walked
    assert later == []
    assert walked_again == walked


def test_a_file_of_an_earlier_day_is_still_read(tmp_path: Path) -> None:
    before = Simulators(tmp_path)
    before.service.database.write("ALTER TABLE subscription DROP COLUMN creator_id")
    before.stop()

    after = Simulators(tmp_path)

    assert after.service.database.rows("SELECT creator_id FROM subscription") == []
    after.stop()


def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "localdev.simulators", "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=10) == 0
