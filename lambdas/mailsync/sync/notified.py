"""Check mailboxes soon after their notifications, without waiting for the next tick.

A function that checks such mailboxes claims one after another until none is left, so many
notifications need few functions. `NotifiedMailboxQueueStore` limits the number of these functions,
and the number of checks of one mailbox.
"""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from mailsync.store.queue_store import NotifiedMailboxQueueStore
from mailsync.sync.batch import (
    MAX_CHECKS_IN_PARALLEL,
    MIN_REMAINING_TIME_FOR_CHECK_S,
    CheckBatchReport,
    check_mailbox_with_free_worker,
    log_batch_report,
)
from mailsync.sync.check import CheckOutcomeAndCost

MAX_PAUSE_BEFORE_NEXT_CLAIM_S = 1.0
"""The maximum seconds until a function with a free thread claims again while a check is running."""


def check_notified_mailboxes(
    queue: NotifiedMailboxQueueStore, holder: str, remaining_s: Callable[[], float]
) -> CheckBatchReport:
    """Check the notified mailboxes until none is left or too little time remains; return a report.

    holder: name under which this function holds its slot, the permit of `NotifiedMailboxQueueStore`
        to check such mailboxes. The slot is released at the end.
    """
    all_checked: list[CheckOutcomeAndCost] = []
    slot: str | None = holder
    while slot:
        try:
            all_checked += _drain(queue, slot, remaining_s)
        finally:
            queue.release_worker_slot(slot)
        # A notification after the last claim started no function if every slot was taken.
        slot = (
            queue.take_slot_for_new_worker()
            if remaining_s() >= MIN_REMAINING_TIME_FOR_CHECK_S
            else None
        )
    return log_batch_report(all_checked)


def _drain(
    queue: NotifiedMailboxQueueStore, holder: str, remaining_s: Callable[[], float]
) -> list[CheckOutcomeAndCost]:
    all_checked: list[CheckOutcomeAndCost] = []
    running: set[Future[CheckOutcomeAndCost]] = set()
    with ThreadPoolExecutor(MAX_CHECKS_IN_PARALLEL) as pool:
        while remaining_s() >= MIN_REMAINING_TIME_FOR_CHECK_S:
            free = MAX_CHECKS_IN_PARALLEL - len(running)
            claimed = queue.claim_notified_mailboxes(holder, free)
            running |= {
                pool.submit(check_mailbox_with_free_worker, each, remaining_s) for each in claimed
            }
            if not running:
                return all_checked
            done, running = wait(running, MAX_PAUSE_BEFORE_NEXT_CLAIM_S, FIRST_COMPLETED)
            all_checked += [each.result() for each in done]
        queue.release_worker_slot(holder)  # another function begins while the last checks end
        return all_checked + [each.result() for each in running]
