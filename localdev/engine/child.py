"""Start child processes that never outlive this process, even when it is killed."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded here: after a fork there is no safe moment to load anything

# Linux delivers the death signal when the *thread* that forked ends (prctl(2)), so that
# every child is started by one thread that lives as long as the process.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="start-child")


def start_child(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: IO[bytes],
    stdout: int | None = None,
    on_death: signal.Signals = signal.SIGKILL,
    user: tuple[int, int] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command as a child process with a session of its own; return the process.

    log: file for the child's errors, and for its output unless `stdout` is given.
    on_death: signal that the child gets when this process dies (Linux only).
    user: numeric user and group that the child runs as. Only root may give it. None: those of this
        process.
    """

    def prepare() -> None:
        os.setsid()  # a terminal's Ctrl-C must not race our own orderly stop
        if user:
            os.setgroups([])
            os.setgid(user[1])
            os.setuid(user[0])
        if sys.platform == "linux":  # last: a change of user clears it
            _LIBC.prctl(_PR_SET_PDEATHSIG, on_death)

    return _starter.submit(
        subprocess.Popen,
        [str(each) for each in command],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=log if stdout is None else stdout,
        stderr=log,
        preexec_fn=prepare,
    ).result()


def stop_child(child: subprocess.Popen[bytes], ask: signal.Signals, *, within_s: float) -> None:
    """Send the signal `ask` to the child; kill it if it has not ended after `within_s` seconds. A
    second call does nothing."""
    if child.poll() is None:
        child.send_signal(ask)
        try:
            child.wait(within_s)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()
