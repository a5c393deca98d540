"""Contain the code that differs between operating systems. No other module depends on the operating
system, except the program `fork_server_main.py`, which is started only on Linux.

The local stack runs on Linux and macOS, and on Windows in WSL, which is Linux.
"""

import ctypes
import re
import signal
import subprocess
import sys
from pathlib import Path

_IS_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
# Loaded here: after a fork there is no safe moment to load anything.
_LIBC = ctypes.CDLL(None) if _IS_LINUX else None

OS_ALLOWS_LISTENING_ON_BOUND_PORT = _IS_LINUX
"""Whether a socket may listen on a port to which another socket is bound, if that socket does not
listen and both sockets set SO_REUSEADDR."""

HAS_SAFE_FORK = _IS_LINUX
"""Whether a forked process can use every library. On macOS, Apple's frameworks fail in a forked
process."""

INITDB_LOCALE_OPTION = "--locale=C.UTF-8" if _IS_LINUX else "--no-locale"
"""The option of Postgres's `initdb` for a database in UTF-8 that sorts text by code point."""


def set_parent_death_signal(number: signal.Signals) -> None:
    """Let the kernel send this process a signal when its parent process ends. Call this function in
    a child process before the child's program starts. On macOS it does nothing.

    number: the signal.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)


def program_name_of_process(pid: int) -> str:
    """Return the first word of a process's command line: the name or path of the program. Return ""
    if the process has ended."""
    try:
        if _IS_LINUX:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
        else:
            listing = ["ps", "-o", "command=", "-p", str(pid)]
            command = subprocess.run(listing, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
    return command.split(" ")[0]


def peak_memory_mb(pid: int) -> int:
    """Return the largest amount of memory that the process has used, in MB. Return 0 if the amount
    is unknown, as on macOS."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return -(-int(found[1]) // 1024) if found else 0
