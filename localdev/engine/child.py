"""Start and stop child processes. On Linux they end with this process, even if it is killed."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from localdev.engine.operating_system import set_parent_death_signal

# Linux delivers the death signal when the *thread* that forked ends, so that
# every child is started by one thread that lives as long as the process.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="start-child")


def start_child_process(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: IO[bytes],
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
    on_death: signal.Signals = signal.SIGKILL,
    user: tuple[int, int] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command as a child process with a session of its own; return the process.

    log: file for the child's errors, and for its output unless `stdout` is given.
    on_death: signal that the child gets when this process dies (Linux only).
    user: numeric user and group that the child runs as. Only root may give it. None: the user and
        group of this process.
    """

    def prepare() -> None:
        os.setsid()  # a terminal's Ctrl-C must not race our own orderly stop
        if user:
            os.setgroups([])
            os.setgid(user[1])
            os.setuid(user[0])
        set_parent_death_signal(on_death)  # last: a change of user clears it

    return _starter.submit(
        subprocess.Popen,
        [str(each) for each in command],
        env=dict(env),
        cwd=cwd,
        stdin=stdin,
        stdout=log if stdout is None else stdout,
        stderr=log,
        preexec_fn=prepare,
    ).result()


def stop_child_process(
    child: subprocess.Popen[bytes], ask: signal.Signals, *, within_s: float
) -> None:
    """Ask a child process to end, and wait until it has ended. Do nothing if it has ended already.

    ask: signal that asks the process to end.
    within_s: seconds after which the process is killed.
    """
    if child.poll() is None:
        child.send_signal(ask)
        try:
            child.wait(within_s)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()
