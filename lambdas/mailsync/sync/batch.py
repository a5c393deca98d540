"""Check a batch of due mailboxes, several in parallel: the work of the Lambda function
`sync-accounts`."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from threading import Lock

from mailsync.credentials import make_access_token_source
from mailsync.credentials.kms import KmsDataKeyClient
from mailsync.credentials.vault import Vault
from mailsync.decisions.budget import MAX_TOTAL_PAUSE_PER_CHECK_S
from mailsync.log import logger
from mailsync.model import AccountId, RunId
from mailsync.providers.kit import load_provider_kit
from mailsync.providers.response_memory import ResponseMemoryBudget
from mailsync.providers.retry_budget import RetryBudget
from mailsync.runs.trigger import create_sync_starter
from mailsync.settings import Settings, load_settings
from mailsync.store.check_store import RUN_TRIGGER_NAME_OF_CHECKS, Check
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.queue_store import DueMailboxQueueStore
from mailsync.store.quota_store import open_mailbox_quota
from mailsync.sync.check import CheckOutcome, CheckOutcomeAndCost, CheckWorker, check_account
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.message_ids import wrap_provider_for_stable_message_ids

MAX_CHECKS_IN_PARALLEL = 10
"""The number of threads, each with a database connection, in one Lambda function that checks
mailboxes. A check mostly waits for the provider."""
MIN_REMAINING_TIME_FOR_CHECK_S = 90.0
"""The minimum seconds until the function's time-out with which a check is started: the time that a
check may need if its provider hardly responds."""
WORKER_RESPONSE_BYTES, SHARED_RESPONSE_BYTES, SHARED_WAIT_S = 2**20, 32 * 2**20, 5.0
"""Limits of the memory for provider responses: the bytes that each mailbox may always use, the
bytes that one mailbox at a time may use, and the seconds that a mailbox waits for this larger
memory. A mailbox that needs more memory, or has waited longer, is left to an execution, where no
other mailbox uses memory (docs/operations.md, "Memory")."""


@dataclass(frozen=True, slots=True)
class CheckBatchReport:
    """The result of checking a batch: the number of mailboxes by outcome, and the total cost of the
    checks that found nothing new."""

    outcomes: dict[str, int]
    idle_request_count: int
    idle_database_round_trip_count: int
    idle_duration_s: float

    @classmethod
    def from_checks(cls, all_checked: Sequence[CheckOutcomeAndCost]) -> "CheckBatchReport":
        idle = [each for each in all_checked if each.outcome is CheckOutcome.NOTHING_NEW]
        return cls(
            outcomes=dict(Counter(str(each.outcome) for each in all_checked)),
            idle_request_count=sum(each.request_count for each in idle),
            idle_database_round_trip_count=sum(each.database_round_trip_count for each in idle),
            idle_duration_s=round(sum(each.duration_s for each in idle), 3),
        )


def check_batch_of_mailboxes(
    account_ids: Sequence[AccountId], remaining_s: Callable[[], float]
) -> CheckBatchReport:
    """Check each mailbox of a batch: look for changes, and store them if they are few. Release the
    claims on mailboxes for which too little time remains, so that another batch checks them. Return
    how the checks ended."""
    with ThreadPoolExecutor(MAX_CHECKS_IN_PARALLEL) as pool:
        all_checked = list(
            pool.map(lambda each: check_mailbox_with_free_worker(each, remaining_s), account_ids)
        )
    _release(
        get_queue_of_free_workers(),
        [
            account_id
            for account_id, checked in zip(account_ids, all_checked, strict=True)
            if checked.outcome is CheckOutcome.TOO_LITTLE_TIME
        ],
    )
    return log_batch_report(all_checked)


def check_mailbox_with_free_worker(
    account_id: AccountId, remaining_s: Callable[[], float]
) -> CheckOutcomeAndCost:
    """Check a mailbox with a free worker of this process; return a report. If too little time
    remains, check nothing and report `TOO_LITTLE_TIME`."""
    if remaining_s() < MIN_REMAINING_TIME_FOR_CHECK_S:
        return CheckOutcomeAndCost(CheckOutcome.TOO_LITTLE_TIME)
    workers = get_queue_of_free_workers()
    worker = workers.get()
    try:
        return check_account(worker, account_id, remaining_s)
    finally:
        workers.put(worker)


def log_batch_report(all_checked: Sequence[CheckOutcomeAndCost]) -> CheckBatchReport:
    """Return a report about all checks of an invocation: their outcomes and their cost. Also log
    the report."""
    report = CheckBatchReport.from_checks(all_checked)
    logger.info(
        "batch_checked",
        outcomes=report.outcomes,
        idle_requests=report.idle_request_count,
        idle_statements=report.idle_database_round_trip_count,
        idle_seconds=report.idle_duration_s,
    )
    return report


def _release(workers: "SimpleQueue[CheckWorker]", account_ids: Sequence[AccountId]) -> None:
    worker = workers.get()
    try:
        DueMailboxQueueStore(worker.database).release_claims(account_ids)
    finally:
        workers.put(worker)


_opening = Lock()


def get_queue_of_free_workers() -> "SimpleQueue[CheckWorker]":
    """Return the queue of the free workers of this process. The workers keep their database
    connections for the next batch."""
    with _opening:
        return _workers()


@cache
def _workers() -> "SimpleQueue[CheckWorker]":
    settings, kms = load_settings(), KmsDataKeyClient()
    trigger, starting = create_sync_starter(), Lock()

    def start(account_id: AccountId, run_id: RunId) -> None:
        with starting:
            trigger.start_execution_to_finish_check_run(
                account_id, run_id, RUN_TRIGGER_NAME_OF_CHECKS
            )

    memory = ResponseMemoryBudget(
        own_bytes=WORKER_RESPONSE_BYTES, large_bytes=SHARED_RESPONSE_BYTES, wait_s=SHARED_WAIT_S
    )
    workers: SimpleQueue[CheckWorker] = SimpleQueue()
    for _ in range(MAX_CHECKS_IN_PARALLEL):
        database = Database(settings)
        vault = Vault(settings.token_key_arn, CredentialStore(database), kms)
        workers.put(CheckWorker(database, _opener(settings, database, vault, memory), start))
    return workers


def _opener(
    settings: Settings, database: Database, vault: Vault, memory: ResponseMemoryBudget
) -> Callable[[Check], AbstractContextManager[Mailbox]]:
    credentials = CredentialStore(database)

    @contextmanager
    def opened(check: Check) -> Iterator[Mailbox]:
        account, run = check.account, check.run_ref
        logger.thread_safe_append_keys(
            account_id=account.id, run_id=run.run_id, provider=account.provider
        )
        access = make_access_token_source(account, credentials, vault, settings, check.credentials)
        budget = RetryBudget(total_s=MAX_TOTAL_PAUSE_PER_CHECK_S)
        kit = load_provider_kit(account.provider)
        quota = open_mailbox_quota(database, account, settings)
        provider = kit.open_mailbox(
            account, access, settings, budget, memory.create_share_for_mailbox(), quota=quota
        )
        provider = wrap_provider_for_stable_message_ids(provider, run, database)
        in_flight = provider.max_requests_in_flight
        with quota or nullcontext(), closing(provider):
            yield Mailbox(run, access, provider, database, vault, in_flight, mailbox_quota=quota)

    return opened
