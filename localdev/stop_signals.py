"""Wait for a signal that stops the process, without missing one that arrives just before the wait.

`signal.pause` and waiting for an event miss such a signal: its Python handler runs only when the
wait returns (Python docs, "Execution of Python signal handlers").
"""

import signal
import socket
import sys
from collections.abc import Callable

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a terminal that was closed."""


def raise_keyboard_interrupt() -> None:
    """Raise KeyboardInterrupt, as Python does for Ctrl-C."""
    raise KeyboardInterrupt


class StopSignals:
    """Calls `on_stop` when SIGINT, SIGTERM or SIGHUP arrives inside the `with` block. By default
    `on_stop` raises KeyboardInterrupt.

    While a KeyboardInterrupt is being handled, further signals have no effect: a second Ctrl-C
    would interrupt the shutdown and leave files. SIGHUP that the process was started to ignore
    (`nohup`) stays ignored. A process can have one such block at a time.
    """

    def __init__(self, on_stop: Callable[[], None] = raise_keyboard_interrupt) -> None:
        self._on_stop = on_stop
        found = {number: signal.getsignal(number) for number in _STOPPING}
        if found[signal.SIGHUP] == signal.SIG_IGN:
            del found[signal.SIGHUP]
        self._before = found
        self._came, self._told = socket.socketpair()
        self._told.setblocking(False)

    def __enter__(self) -> "StopSignals":
        signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        for number in self._before:
            signal.signal(number, lambda *_: self._on_signal())
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        self._came.close()
        self._told.close()

    def wait_for_signal(self) -> None:
        """Wait until SIGINT, SIGTERM or SIGHUP arrives. Return at once if one of them has arrived
        since the `with` block began. An exception of `on_stop` ends the wait."""
        self._came.recv(1)

    def _on_signal(self) -> None:
        if not _handles_keyboard_interrupt():
            self._on_stop()


def _handles_keyboard_interrupt() -> bool:
    """Return whether an `except`, `finally` or `__exit__` of a KeyboardInterrupt is running."""
    handled = sys.exception()
    while handled and not isinstance(handled, KeyboardInterrupt):
        handled = handled.__context__
    return handled is not None
