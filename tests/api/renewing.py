"""The schedule `renew-subscriptions`, tick by tick."""

from dataclasses import dataclass
from typing import Any

from tests.api.requests import Context

ONE_MADE, ONE_FAILED, NOTHING = (
    {"renewed": 1, "failed": 0},
    {"renewed": 0, "failed": 1},
    {"renewed": 0, "failed": 0},
)


@dataclass(frozen=True)
class TimedContext(Context):
    def get_remaining_time_in_millis(self) -> int:
        return 100_000


def tick() -> dict[str, int]:
    """One, with the settings of this process."""
    from handlers.renew_subscriptions import handler

    run: Any = handler
    counts: dict[str, int] = run({}, TimedContext())
    return counts
