"""`python -m benchmarks.freshness`: the time from a notification to the row.

The real functions `webhook` and `sync-accounts`, a real Postgres, and the simulated Graph with the
latency of the real one. Prints, in one run,

- the times for notifications at a steady rate, of all mailboxes in turn, in an order drawn at
  random;
- the checks that a thousand notifications of one mailbox at once cause;
- the times, functions and checks for notifications of all mailboxes at once.

The tick of each minute runs as well, so what the notifications miss is found by it.
"""

import argparse
import json
import os
import random
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.fleet import (
    CLIENT_STATE,
    Fleet,
    FleetMailbox,
    a_message,
    invoke_here,
    open_fleet,
    sync_first,
)
from infra.catalog import MAILBOX_CHECK_FUNCTION_NAME, Schedule
from localdev.engine.scheduler import Scheduler
from localdev.samples import SAMPLE_EVENT_FILES_FOLDER

POLL_S = 0.05
LIMIT_S = 120
NOTIFICATIONS_PER_REQUEST = 50
EPOCHS = "SELECT id::text, lease_epoch FROM mailsync.email_accounts"
ROWS = "SELECT subject FROM mailsync.emails WHERE subject LIKE :subjects"
TICK = Schedule(name="start-due-syncs", interval_minutes=1, function_name="start-due-syncs")
_EVENT = json.loads(Path(SAMPLE_EVENT_FILES_FOLDER / "webhook.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.freshness", description=__doc__)
    parser.add_argument("--mailboxes", type=int, default=1_000)
    parser.add_argument("--per-second", type=float, default=10)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with open_fleet() as fleet:
        began = time.monotonic()
        fleet_mailboxes = _mirror(fleet, options.mailboxes)
        print(f"{options.mailboxes} mailboxes in {time.monotonic() - began:.0f} s", flush=True)
        fleet.set_latency("real")
        scheduler = Scheduler(fleet.host, (TICK,))
        scheduler.start()
        _measure_rate(fleet, fleet_mailboxes, options.per_second, options.seconds)
        _measure_one(fleet, fleet_mailboxes[0])
        _measure_all(fleet, fleet_mailboxes)
        scheduler.stop()


def _mirror(fleet: Fleet, count: int) -> list[FleetMailbox]:
    found = []
    with invoke_here(fleet) as invoke:
        for number in range(count):
            mailbox = fleet.add_mailbox(number)
            mailbox.remote.deliver_message(a_message("first"))
            sync_first(mailbox.account_id, invoke)
            found.append(mailbox)
    fleet.subscribe_all()
    return found


def _measure_rate(
    fleet: Fleet, mailboxes: Sequence[FleetMailbox], per_second: float, seconds: int
) -> None:
    _notify(fleet, mailboxes[:1])  # the functions run, as in a stage with mail
    time.sleep(5)
    order = random.Random(1).sample(mailboxes, len(mailboxes))
    with _watch(fleet, "rate %") as seen_at, ThreadPoolExecutor(32) as pool:
        sent_at: dict[str, float] = {}
        began = time.monotonic()
        for number in range(int(per_second * seconds)):
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            mailbox, subject = order[number % len(order)], f"rate {number}"
            mailbox.remote.deliver_message(a_message(subject))
            sent_at[subject] = time.monotonic()
            pool.submit(_notify, fleet, [mailbox])
        took = _wait_for(seen_at, sent_at)
    _print_times(f"{per_second:g} notifications a second, {seconds} s", took)


def _measure_one(fleet: Fleet, mailbox: FleetMailbox) -> None:
    time.sleep(20)
    before = dict(map(tuple, fleet.rows(EPOCHS)))
    mailbox.remote.deliver_message(a_message("one 0"))
    with _watch(fleet, "one %") as seen_at, ThreadPoolExecutor(32) as pool:
        sent_at = {"one 0": time.monotonic()}
        part = [mailbox] * NOTIFICATIONS_PER_REQUEST
        list(pool.map(lambda _: _notify(fleet, part), range(1_000 // len(part))))
        sent_s = time.monotonic() - sent_at["one 0"]
        took = _wait_for(seen_at, sent_at)
    time.sleep(3)
    checks = fleet.rows(EPOCHS)
    mine = next(epoch - before[name] for name, epoch in checks if name == mailbox.account_id)
    print(f"1,000 notifications of one mailbox in {sent_s:.1f} s: {mine} checks", flush=True)
    _print_times("  the row", took)


def _measure_all(fleet: Fleet, mailboxes: Sequence[FleetMailbox]) -> None:
    time.sleep(20)
    before = dict(map(tuple, fleet.rows(EPOCHS)))
    for number, mailbox in enumerate(mailboxes):
        mailbox.remote.deliver_message(a_message(f"all {number}"))
    size = NOTIFICATIONS_PER_REQUEST
    parts = [mailboxes[start : start + size] for start in range(0, len(mailboxes), size)]
    busy: list[int] = []
    with _watch(fleet, "all %", busy) as seen_at, ThreadPoolExecutor(32) as pool:
        sent_at = dict.fromkeys(
            (f"all {number}" for number in range(len(mailboxes))), time.monotonic()
        )
        list(pool.map(lambda part: _notify(fleet, part), parts))
        took = _wait_for(seen_at, sent_at)
    checks = [epoch - before[name] for name, epoch in fleet.rows(EPOCHS)]
    _print_times(f"{len(mailboxes):,} mailboxes at once", took)
    print(f"  at most {max(busy)} functions at once, {max(checks)} checks of a mailbox", flush=True)


def _notify(fleet: Fleet, mailboxes: Sequence[FleetMailbox]) -> None:
    items = [
        {
            "subscriptionId": mailbox.account_id,
            "clientState": CLIENT_STATE,
            "changeType": "created",
            "resource": "Users/1/Messages/2",
        }
        for mailbox in mailboxes
    ]
    event = _EVENT | {"body": json.dumps({"value": items})}
    result = fleet.host.invoke("webhook", json.dumps(event).encode())
    assert json.loads(result.payload)["statusCode"] == 202, result.payload


@contextmanager
def _watch(
    fleet: Fleet, subjects: str, busy: list[int] | None = None
) -> Iterator[dict[str, float]]:
    """Yield when each row could be read first; also record how many functions check mailboxes."""
    seen_at: dict[str, float] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(POLL_S):
            found = fleet.rows(ROWS, subjects=subjects)
            for (subject,) in found:
                seen_at.setdefault(subject, time.monotonic())
            if busy is not None:
                busy.append(len(fleet.host.pids(MAILBOX_CHECK_FUNCTION_NAME, busy=True)))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen_at
    finally:
        ended.set()
        watcher.join()


def _wait_for(seen_at: dict[str, float], sent_at: dict[str, float]) -> list[float]:
    deadline = time.monotonic() + LIMIT_S
    while len(seen_at) < len(sent_at) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    missing = sent_at.keys() - seen_at.keys()
    assert not missing, f"{len(missing)} rows are missing after {LIMIT_S} s"
    return [seen_at[subject] - sent_at[subject] for subject in sent_at]


def _print_times(what: str, took: list[float]) -> None:
    cuts = statistics.quantiles(took, n=20) if len(took) > 1 else took * 19
    print(
        f"{what}: {len(took)} rows, median {statistics.median(took):.1f} s, p95 {cuts[-1]:.1f} s,"
        f" maximum {max(took):.1f} s (load {os.getloadavg()[0]:.0f})",
        flush=True,
    )


if __name__ == "__main__":
    main()
