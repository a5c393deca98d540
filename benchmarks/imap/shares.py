"""Measure which part of a process takes how much time, from inside."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

OTHER = "other"


class Shares:
    """Time by part, in seconds: on the clock, and of the CPU. A part excludes the parts inside it.

    With several threads the times of all threads are added.
    """

    def __init__(self) -> None:
        self.wall_s: dict[str, float] = defaultdict(float)
        self.cpu_s: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._of_thread = threading.local()

    def measure(self, owner: Any, name: str, part: str) -> None:
        """Count the time inside the function `name` of a module or class towards a part."""
        function: Callable[..., Any] = getattr(owner, name)

        @wraps(function)
        def measured(*args: Any, **named: Any) -> Any:
            self._enter(part)
            try:
                return function(*args, **named)
            finally:
                self._leave()

        setattr(owner, name, measured)

    def _enter(self, part: str) -> None:
        stack = self._count()
        stack.append(part)
        self.calls[part] += 1

    def _leave(self) -> None:
        self._count().pop()

    def _count(self) -> list[str]:
        """Add the time since the last change to the part that runs; return the thread's parts."""
        own, now, cpu = self._of_thread, time.perf_counter(), time.thread_time()
        if not hasattr(own, "stack"):
            own.stack = []
        elif own.stack:
            self.wall_s[own.stack[-1]] += now - own.now
            self.cpu_s[own.stack[-1]] += cpu - own.cpu
        own.now, own.cpu = now, cpu
        stack: list[str] = own.stack
        return stack
