"""Compute what the measurements are compared with: the latency model, the bound, and how many round
trips followed each other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PAGE_SIZE = 100
"""Messages on a full page, for the bound: the size that Mailsync requests."""
GUIDE_PAGE_SIZE = 10
"""Messages on a page without the preference `odata.maxpagesize` (Microsoft Graph docs, "Use delta
query to track changes")."""
REQUESTS_IN_FLIGHT = 4
"""Requests in flight per application and mailbox (Microsoft Graph docs, "Microsoft Graph
service-specific throttling limits")."""


@dataclass(frozen=True, slots=True)
class LatencyModel:
    """How long the provider takes for a request, in milliseconds.

    Public measurements: 84 and 92 ms for a delta response without changes, and 361 ms for ten full
    messages ("Phase 0: POC Results" of the EaseMail project, 2026-02). How the time of a large page
    splits is not measured publicly, so the part of a message is varied.

    full_ms: for each message with its body.
    lean_share: part of `full_ms` for each message without its body.
    base_ms: for each request.
    """

    full_ms: float
    lean_share: float = 0.1
    base_ms: float = 85

    @property
    def lean_ms(self) -> float:
        return self.full_ms * self.lean_share

    def page_s(self, messages: int) -> float:
        """Return the seconds of a page of this many full messages."""
        return (self.base_ms + messages * self.full_ms) / 1000


def bound_s(counts: Iterable[int], model: LatencyModel, *, page_size: int = PAGE_SIZE) -> float:
    """Return the seconds in which the provider can hand out all messages: the time of the pages
    that have messages, over the requests that it accepts at once.

    counts: messages of each folder. A page has messages of one folder.
    """
    return sequential_s(counts, model, page_size=page_size) / REQUESTS_IN_FLIGHT


def sequential_s(counts: Iterable[int], model: LatencyModel, *, page_size: int) -> float:
    """Return the seconds of the pages that have messages, one page after the other."""
    return sum(
        model.page_s(min(page_size, count - start))
        for count in counts
        for start in range(0, count, page_size)
    )


def count_round_trips(calls: Sequence[tuple[float, float]], until: float) -> int:
    """Return the longest series of calls that ended before `until` and followed each other without
    overlap. Calls at the same time count once.

    calls: beginning and end of each call.
    """
    trips, free_from = 0, float("-inf")
    for began, ended in sorted(calls, key=lambda call: call[1]):
        if began >= free_from and ended <= until:
            trips, free_from = trips + 1, ended
    return trips
