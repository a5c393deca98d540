"""`python -m benchmarks.batch_threads`: the time of a batch of checks by the number of threads.

Measures batches of 25 mailboxes of 12 folders without news, with five and with ten threads in turn
in one run, at the latency of the real Graph. Prints the fastest batch of each, since other work of
the machine only makes a batch slower, and the CPU of a batch.
"""

import argparse
import os
import time

from benchmarks.fleet import Fleet, a_message, invoke_here, open_fleet, sync_first
from mailsync.model import AccountId
from mailsync.runs.batches import MAILBOXES_PER_BATCH
from mailsync.sync import batch

FOLDER_COUNT = 12
THREADS = (5, 10)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch_threads", description=__doc__)
    parser.add_argument("--batches", type=int, default=8)
    options = parser.parse_args()
    with open_fleet() as fleet:
        account_ids = []
        with invoke_here(fleet) as invoke:
            for number in range(MAILBOXES_PER_BATCH):
                mailbox = fleet.add_mailbox(number)
                for extra in range(FOLDER_COUNT - len(mailbox.remote.folders.list_all_folders())):
                    mailbox.remote.create_folder(f"F{extra}")
                mailbox.remote.deliver_message(a_message("first"))
                sync_first(mailbox.account_id, invoke)
                account_ids.append(mailbox.account_id)
            fleet.set_latency("real")
            found = {threads: _batches(fleet, account_ids, threads, 1) for threads in THREADS}
            for _ in range(options.batches):
                for threads in THREADS:
                    found[threads] += _batches(fleet, account_ids, threads, 1)
    for threads, batches in found.items():
        wall_s, cpu_s = min(batches), min(cpu for _, cpu in batches)
        print(
            f"{threads} threads: {wall_s[0]:.2f} s a batch, {cpu_s:.2f} s CPU of this process,"
            f" which is also the provider's (load {os.getloadavg()[0]:.0f})"
        )


def _batches(
    fleet: Fleet, account_ids: list[AccountId], threads: int, count: int
) -> list[tuple[float, float]]:
    batch.MAX_CHECKS_IN_PARALLEL = threads
    batch._workers.cache_clear()
    batch.check_batch_of_mailboxes(account_ids, lambda: 180.0)  # connects
    found = []
    for _ in range(count):
        began, cpu = time.monotonic(), time.process_time()
        report = batch.check_batch_of_mailboxes(account_ids, lambda: 180.0)
        assert report.outcomes == {"idle": len(account_ids)}, report
        found.append((time.monotonic() - began, time.process_time() - cpu))
    return found


if __name__ == "__main__":
    main()
