"""Wait for SIGINT or SIGTERM without missing a signal that arrives just before the wait.

`signal.pause` and waiting for an event miss such a signal: its Python handler runs only when the
wait returns (Python docs, "Execution of Python signal handlers").
"""

import signal
import socket
from collections.abc import Callable

_STOPPING = (signal.SIGINT, signal.SIGTERM)


def raise_keyboard_interrupt() -> None:
    """Raise KeyboardInterrupt, as Python does for Ctrl-C."""
    raise KeyboardInterrupt


class StopSignals:
    """Calls `on_stop` when SIGINT or SIGTERM arrives inside the `with` block. A process can have
    one such block at a time."""

    def __init__(self, on_stop: Callable[[], None] = raise_keyboard_interrupt) -> None:
        self._on_stop = on_stop
        self._before = {number: signal.getsignal(number) for number in _STOPPING}
        self._came, self._told = socket.socketpair()
        self._told.setblocking(False)

    def __enter__(self) -> "StopSignals":
        signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        for number in _STOPPING:
            signal.signal(number, lambda *_: self._on_stop())
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        self._came.close()
        self._told.close()

    def wait_for_signal(self) -> None:
        """Wait for SIGINT or SIGTERM; return immediately if one has come already."""
        self._came.recv(1)
