"""Do what each operating system does in its own way. No other module depends on which one it is,
except the program `fork_server_main.py`, which only Linux starts.

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

CAN_LISTEN_ON_BOUND_PORT = _IS_LINUX
"""Whether a socket may listen on a port while another one is bound to it without listening, if both
set SO_REUSEADDR."""

HAS_SAFE_FORK = _IS_LINUX
"""Whether a forked process can use every library. Apple's frameworks fail in one on macOS."""

INITDB_LOCALE = "--locale=C.UTF-8" if _IS_LINUX else "--no-locale"
"""The option of `initdb` for texts in UTF-8 that sort by code point."""


def end_with_parent(number: signal.Signals) -> None:
    """Let the kernel send this process the signal when its parent dies. Call it in the child,
    before its program starts. On macOS it does nothing.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)


def program_of(pid: int) -> str:
    """Return the program that the process runs, as its command names it. Empty: the process has
    ended."""
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
    """Return the most memory that the process has used, in MB; 0 if it is unknown, as on macOS."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return -(-int(found[1]) // 1024) if found else 0
