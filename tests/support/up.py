"""`python -m localdev up` in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LAST_LINE = "  or open"


@contextmanager
def up(*arguments: str, **environment: str) -> Iterator[tuple[int, str]]:
    """Run the stack until the end of the block; yield its process id and what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "localdev", "up", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment, "PYTHONPATH": "lambdas:."},
    )
    assert process.stdout is not None
    printed = ""
    try:
        while LAST_LINE not in printed:
            line = process.stdout.readline()
            assert line, f"the stack ended: {printed}"
            printed += line
        yield process.pid, printed
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)
        process.stdout.close()
    assert status == 0
