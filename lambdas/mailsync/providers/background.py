"""Read from the provider in a thread while the caller stores the page that it read before."""

import sys
from collections.abc import Callable
from threading import Thread, current_thread
from typing import Generic, TypeVar

THREAD_SWITCH_INTERVAL_S = 0.0002
"""The longest time for which a thread that parses keeps the interpreter from another one. Python's
default of 5 ms would be added to each response of the database that the other thread waits for."""
_Result = TypeVar("_Result")


class BackgroundRead(Generic[_Result]):
    """A function that runs in a thread of its own.

    Whoever starts one waits for its end before the Lambda function returns: the process is frozen
    then, and a read would continue in the next invocation.
    """

    def __init__(self, read: Callable[[], _Result]) -> None:
        self._read = read
        self._outcome: tuple[_Result | None, BaseException | None] = (None, None)
        sys.setswitchinterval(THREAD_SWITCH_INTERVAL_S)
        self._thread = Thread(target=self._run, name="read-ahead", daemon=True)
        self._thread.start()

    def is_of_current_thread(self) -> bool:
        return current_thread() is self._thread

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the function; return whether it has ended."""
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
