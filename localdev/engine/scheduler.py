"""Replace EventBridge Scheduler on this machine: invoke functions at fixed intervals."""

import threading
from collections.abc import Iterable

from infra.catalog import Schedule
from localdev.engine.lambda_host import LambdaHost


class Scheduler:
    """Invokes the function of each schedule with the event `{}`, from `start` to `stop`.
    Invocations of one schedule never overlap.

    scale: factor for the intervals; with 0.1 a minute becomes six seconds.
    """

    def __init__(
        self, host: LambdaHost, schedules: Iterable[Schedule], *, scale: float = 1
    ) -> None:
        self._host = host
        self._scale = scale
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(each,), daemon=True) for each in schedules
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Start no more invocations. An invocation that runs now continues in the Lambda host."""
        self._ended.set()

    def _repeat(self, schedule: Schedule) -> None:
        while not self._ended.wait(schedule.interval_minutes * 60 * self._scale):
            self._host.invoke(schedule.function_name, b"{}")
