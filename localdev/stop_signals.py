"""The signals that end a process; none is lost, whenever it comes.

`signal.pause` and a wait for an event sleep on if the signal comes just before them: its Python
handler runs only when they return (Python docs, "Execution of Python signal handlers").
"""

import signal
import socket
from collections.abc import Callable

_STOPPING = (signal.SIGINT, signal.SIGTERM)


def interrupt() -> None:
    """Raise KeyboardInterrupt, as Ctrl-C does by itself."""
    raise KeyboardInterrupt


class StopSignals:
    """Inside `with`, SIGINT and SIGTERM are noticed, and call `on_stop`. One per process."""

    def __init__(self, on_stop: Callable[[], None] = interrupt) -> None:
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

    def wait(self) -> None:
        """Return once a signal has come, be it before this call."""
        self._came.recv(1)
