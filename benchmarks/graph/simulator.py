"""Start the simulated Graph of a benchmark in a process of its own, and command it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.graph.mail import MailboxShape
from benchmarks.graph.model import LatencyModel

NO_LATENCY = LatencyModel(full_ms=0, base_ms=0)


@dataclass(frozen=True, slots=True)
class SimulatedMailbox:
    """A mailbox of the simulated Graph, with an access token for it."""

    address: str
    user_id: str
    token: str


@dataclass(frozen=True, slots=True)
class SimulatedGraph:
    """The process with the simulated Graph.

    settings: settings with which functions reach it.
    mailbox: the mailbox to measure.
    warm_up: a mailbox that is synced before, so that the functions run.
    """

    settings: dict[str, str]
    mailbox: SimulatedMailbox
    warm_up: SimulatedMailbox
    process: subprocess.Popen[str]

    @property
    def graph_url(self) -> str:
        return self.settings["GRAPH_URL"]

    def begin(self, model: LatencyModel) -> None:
        """Set the latency, and forget the requests so far: the quota is unused again."""
        parts = (model.base_ms, model.full_ms, model.lean_ms)
        names = ("fixed_s", "full_message_s", "lean_message_s")
        self._command({"latency": dict(zip(names, (ms / 1000 for ms in parts), strict=True))})

    def report(self) -> dict[str, Any]:
        """Return what was served since `begin`; see `benchmarks.graph.server`."""
        return self._command({})

    def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        response: dict[str, Any] = json.loads(self.process.stdout.readline())
        return response


@contextmanager
def open_simulator(data: Path, shape: MailboxShape) -> Iterator[SimulatedGraph]:
    """Run the simulated Graph with a mailbox of this shape for the `with` block."""
    command = [sys.executable, "-m", "benchmarks.graph.server", str(data)]
    command += [f"--messages={shape.messages}", f"--folders={shape.folders}"]
    command += ["--skewed"] if shape.is_skewed else []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield _connect(process)
        finally:
            process.terminate()


def _connect(process: subprocess.Popen[str]) -> SimulatedGraph:
    assert process.stdout
    ready = json.loads(process.stdout.readline())
    mailbox, warm_up = (
        SimulatedMailbox(each["address"], each["userId"], each["token"])
        for each in ready["mailboxes"]
    )
    settings = {
        "GRAPH_URL": ready["graphUrl"],
        "MICROSOFT_AUTHORITY": ready["authority"],
        "MICROSOFT_CLIENT_ID": ready["clientId"],
        "MICROSOFT_CLIENT_SECRET": ready["clientSecret"],
        "CA_BUNDLE": ready["caBundle"],
    }
    return SimulatedGraph(settings, mailbox, warm_up, process)
