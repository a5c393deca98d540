"""Work that goes on beside everything else."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Background:
    """Calls `work` again and again, so many seconds apart, from entering to leaving the context."""

    def __init__(self, work: Callable[[], None], *, every_s: float) -> None:
        self._work = work
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._ended.wait(self._every_s):
            self._work()
