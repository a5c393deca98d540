"""`python -m benchmarks.backlog`: how long the checks take that are due after an outage.

Prints the table of docs/cost.md. It is a computation, because no local stack throttles: the local
Lambda host starts as many processes as it is asked for. The rules are those of `start-due-syncs`
and of Lambda's queue of asynchronous invocations: a throttled event is tried again after 1 s, then
after twice as long each time, at most 5 minutes (AWS Lambda Developer Guide, "How Lambda handles
errors and retries with asynchronous invocation"). Each delay varies by half; AWS documents no
jitter. AWS also reads a long queue more slowly, by an amount that it does not document.
"""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from benchmarks.cost import load_measurements
from mailsync.decisions.due import (
    DUE_MAILBOX_CLAIM_LIFETIME_S,
    MAX_DUE_MAILBOXES_CLAIMED_AT_ONCE,
    SYNC_INTERVAL_OF_SUBSCRIBED_MAILBOX_S,
)
from mailsync.runs.batches import MAILBOXES_PER_BATCH

TICK_S = 60
MIN_RETRY_S, MAX_RETRY_S = 1, 300
EXAMPLES = (
    *((1_000, 10, 1), (10_000, 10, 1), (10_000, 20, 1), (10_000, 100, 1), (50_000, 100, 1)),
    *((10_000, 10, 10), (10_000, 20, 10), (10_000, 100, 10)),
)
"""The number of mailboxes, the concurrent executions that Lambda allows, and how many times as long
a check takes as one with a new message."""


@dataclass(slots=True)
class Batch:
    """An event in Lambda's queue. mailboxes: numbers of the mailboxes to check."""

    mailboxes: list[int]
    queued_at: float
    throttles: int = 0


@dataclass(slots=True)
class Catchup:
    """What happens after an outage, until each mailbox has been checked once.

    concurrency: executions of `sync-accounts` at the same time.
    batch_s: duration of one execution, in seconds.
    finished_s: seconds until the last mailbox is checked.
    throttled: invocations that Lambda rejected and tried again.
    lost: events that grew older than ten minutes; their mailboxes become due again.
    """

    mailboxes: int
    concurrency: int
    batch_s: float
    finished_s: float = 0
    throttled: int = 0
    lost: int = 0
    _running: list[tuple[float, int, Batch]] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(16))

    def run(self) -> "Catchup":
        """Let each mailbox be checked once, and return the result."""
        due = [(0.0, number) for number in range(self.mailboxes)]
        unchecked = set(range(self.mailboxes))
        order = count()
        events: list[tuple[float, int, Batch | None]] = [(0.0, next(order), None)]
        while unchecked:
            now, _, batch = heapq.heappop(events)
            self._end_executions(now, due, unchecked)
            if batch is None:
                for claimed in self._claim(due, now):
                    heapq.heappush(events, (now, next(order), claimed))
                heapq.heappush(events, (now + TICK_S, next(order), None))
            elif now - batch.queued_at > DUE_MAILBOX_CLAIM_LIFETIME_S:
                self.lost += 1
                for number in batch.mailboxes:
                    heapq.heappush(due, (batch.queued_at + DUE_MAILBOX_CLAIM_LIFETIME_S, number))
            elif len(self._running) < self.concurrency:
                heapq.heappush(self._running, (now + self.batch_s, next(order), batch))
            else:
                heapq.heappush(events, (now + self._retry_s(batch), next(order), batch))
        return self

    def _end_executions(
        self, now: float, due: list[tuple[float, int]], unchecked: set[int]
    ) -> None:
        """End what has run for long enough; its mailboxes become due again after the interval."""
        while self._running and self._running[0][0] <= now:
            self.finished_s, _, batch = heapq.heappop(self._running)
            unchecked.difference_update(batch.mailboxes)
            for number in batch.mailboxes:
                heapq.heappush(
                    due, (self.finished_s + SYNC_INTERVAL_OF_SUBSCRIBED_MAILBOX_S, number)
                )

    def _claim(self, due: list[tuple[float, int]], now: float) -> Iterator[Batch]:
        """Yield batches of the mailboxes that are due, the longest overdue first."""
        claimed: list[int] = []
        while due and due[0][0] <= now and len(claimed) < MAX_DUE_MAILBOXES_CLAIMED_AT_ONCE:
            claimed.append(heapq.heappop(due)[1])
        for start in range(0, len(claimed), MAILBOXES_PER_BATCH):
            yield Batch(claimed[start : start + MAILBOXES_PER_BATCH], now)

    def _retry_s(self, batch: Batch) -> float:
        self.throttled += 1
        delay = min(MAX_RETRY_S, MIN_RETRY_S * 2.0**batch.throttles)
        batch.throttles += 1
        return delay * self._random.uniform(0.5, 1.5)


def backlog_table() -> Iterator[str]:
    """Yield the lines of the table in docs/cost.md."""
    # A function of 1 GB, so its GB-seconds are seconds.
    batch_s = load_measurements().changed.gb_s * MAILBOXES_PER_BATCH
    yield (
        "| mailboxes | concurrent executions | a batch takes | all checked after | throttled"
        " | events lost |"
    )
    yield "| ---: | ---: | ---: | ---: | ---: | ---: |"
    for mailboxes, concurrency, times in EXAMPLES:
        found = Catchup(mailboxes, concurrency, times * batch_s).run()
        yield (
            f"| {mailboxes:,} | {concurrency:,} | {found.batch_s:.0f} s"
            f" | {found.finished_s / 60:.0f} min"
            f" | {found.throttled:,} | {found.lost:,} |"
        )


if __name__ == "__main__":
    print(*backlog_table(), sep="\n")
