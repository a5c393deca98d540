"""`python -m benchmarks.many_mailboxes`: first syncs of 50 mailboxes at the same time.

Compares their speed together with that of one mailbox alone, in one run, at the latency of the real
Graph and with its limits for each mailbox. Names the shares of the CPU, and shows how fairly the
mailboxes share it.
"""

import argparse
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil

from benchmarks.fleet import Fleet, FleetMailbox, a_message, open_fleet, sync_first

COUNT = "SELECT count(*) FROM mailsync.emails"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_mailboxes")
    parser.add_argument("--mailboxes", type=int, default=50)
    parser.add_argument("--messages", type=int, default=240)
    parser.add_argument("--folders", type=int, default=12)
    options = parser.parse_args()
    with open_fleet() as fleet:
        mailboxes = [_fill(fleet, number, options) for number in range(options.mailboxes + 2)]
        _sync(fleet, mailboxes[-1])  # the functions run
        fleet.set_latency("real")
        alone_s = _sync(fleet, mailboxes[-2])
        alone = options.messages / alone_s
        print(f"one mailbox: {options.messages} messages in {alone_s:.1f} s, {alone:.0f}/s")
        measure = _CpuMeter(fleet)
        began = time.monotonic()
        with ThreadPoolExecutor(options.mailboxes) as pool:
            took = list(pool.map(lambda each: _sync(fleet, each), mailboxes[: options.mailboxes]))
        wall_s = time.monotonic() - began
        together = options.messages * options.mailboxes / wall_s
        [[stored]] = fleet.rows(COUNT)
        assert stored == options.messages * len(mailboxes), stored
        print(
            f"{options.mailboxes} mailboxes: {wall_s:.1f} s, {together:.0f}/s,"
            f" {together / alone:.1f} times one;"
            f" slowest/fastest {max(took) / min(took):.2f}\n{measure.shares(wall_s)}"
        )


def _fill(fleet: Fleet, number: int, options: argparse.Namespace) -> FleetMailbox:
    mailbox = fleet.add_mailbox(number)
    folders = [mailbox.remote.create_folder(f"F{each}") for each in range(options.folders)]
    for message in range(options.messages):
        item = a_message(f"message {message}", text="x" * 10_000)
        mailbox.remote.deliver_message(item, folders[message % len(folders)])
    return mailbox


def _sync(fleet: Fleet, mailbox: FleetMailbox) -> float:
    began = time.monotonic()
    sync_first(mailbox.account_id, fleet.invoke)
    return time.monotonic() - began


class _CpuMeter:
    """Adds the CPU of functions, Postgres and this process, which is also the provider."""

    def __init__(self, fleet: Fleet) -> None:
        self._postgres_pid = fleet.postgres_pid
        self._before = self._used()
        self._load, self._machine = os.getloadavg()[0], psutil.cpu_times()
        self._most: dict[int, tuple[str, float]] = {}
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def shares(self, wall_s: float) -> str:
        self._ended.set()
        used: dict[str, float] = {}
        for pid, (kind, seconds) in self._most.items():
            before = self._before.get(pid, (kind, 0.0))[1]
            used[kind] = used.get(kind, 0.0) + seconds - before
        machine = psutil.cpu_times()
        idle = (machine.idle - self._machine.idle) / (wall_s * (psutil.cpu_count() or 1))
        parts = ", ".join(f"{kind} {seconds / wall_s:.0%}" for kind, seconds in used.items())
        return (
            f"CPU of one core: {parts}; {idle:.0%} of {psutil.cpu_count()} cores idle,"
            f" load {self._load:.0f} before"
        )

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            self._most |= self._used()

    def _used(self) -> dict[int, tuple[str, float]]:
        used: dict[int, tuple[str, float]] = {}
        this = psutil.Process()
        for process in (this, *this.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used[process.pid] = (self._kind(process), times.user + times.system)
        return used

    def _kind(self, process: psutil.Process) -> str:
        if process.pid == os.getpid():
            return "provider and benchmark"
        return "Postgres" if "postgres" in process.name() else "functions"


if __name__ == "__main__":
    main()
