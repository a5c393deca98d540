"""Read from the provider in a thread while the caller stores the page that was read before."""

import sys
from collections.abc import Callable
from threading import Thread, current_thread
from typing import Generic, TypeVar

THREAD_SWITCH_INTERVAL_S = 0.0002
"""The longest time in seconds for which a thread that parses may keep another thread waiting.
Python's default of 5 ms would be added to each response of the database for which the other thread
waits."""
_Result = TypeVar("_Result")


class BackgroundTask(Generic[_Result]):
    """A function that runs in a thread of its own.

    The caller must wait for the end of the function before the Lambda function returns. AWS freezes
    the process then, and the function would continue in the next invocation.
    """

    def __init__(self, read: Callable[[], _Result]) -> None:
        self._read = read
        self._outcome: tuple[_Result | None, BaseException | None] = (None, None)
        sys.setswitchinterval(THREAD_SWITCH_INTERVAL_S)
        self._thread = Thread(target=self._run, name="read-ahead", daemon=True)
        self._thread.start()

    def is_running_in_current_thread(self) -> bool:
        """Return whether the caller runs in the thread of this task."""
        return current_thread() is self._thread

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the function; return whether the function has ended.

        timeout_s: maximum time in seconds. None: no limit.
        """
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def result(self) -> _Result:
        """Wait for the end of the function; return its result, or raise its error."""
        self.wait()
        result, error = self._outcome
        if error is not None:
            raise error
        return result  # type: ignore[return-value]

    def _run(self) -> None:
        try:
            self._outcome = (self._read(), None)
        except BaseException as error:  # raised where the result is read
            self._outcome = (None, error)
