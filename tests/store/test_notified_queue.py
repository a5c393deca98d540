"""A notified mailbox is claimed once, not while it is busy, and not too often; slots are few."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from mailsync.decisions.due import (
    CHECK_WORKER_SLOT_LIFETIME_S,
    MAX_WAIT_BEFORE_ADDING_CHECK_WORKER_S,
    MAX_WORKERS_FOR_NOTIFIED_MAILBOXES,
    MIN_AVERAGE_TIME_BETWEEN_NOTIFIED_CHECKS_S,
    SCHEDULED_CHECK_DELAY_IF_NOTIFIED_S,
)
from mailsync.model import (
    AccountId,
    NotificationKind,
    ProviderName,
    RemoteId,
    Subscription,
    SubscriptionNotification,
)
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.push_store import PushStore
from mailsync.store.queue_store import DueMailboxQueueStore, NotifiedMailboxQueueStore
from tests.store.rows import rows

MIRRORED = (
    "UPDATE mailsync.email_accounts SET initial_sync_completed = true,"
    " next_sync_at = now() + interval '1 hour' RETURNING 1"
)
ACCOUNT = "UPDATE mailsync.email_accounts SET {} RETURNING 1"
CHECK_ENDED = ACCOUNT.format("next_sync_at = now()")
PAST = "UPDATE mailsync.{} SET {} = {} - make_interval(secs => {}) RETURNING 1"
RUN = (
    "INSERT INTO mailsync.sync_runs (id, account_id, sync_type, trigger, status)"
    " SELECT 'run', id, 'auto', 'manual', 'queued' FROM mailsync.email_accounts RETURNING 1"
)
BUSY = {
    "a check or execution holds the lease": ACCOUNT.format(
        "lease_owner = 'arn', lease_until = now() + interval '1 minute'"
    ),
    "an execution was requested": RUN,
    "the provider paused it": ACCOUNT.format("throttled_until = now() + interval '1 minute'"),
    "the user paused it": ACCOUNT.format("status = 'paused'"),
    "its first sync is not complete": ACCOUNT.format("initial_sync_completed = false"),
}
Notify = Callable[[], int]


@pytest.fixture
def queue(database: Database) -> NotifiedMailboxQueueStore:
    return NotifiedMailboxQueueStore(database)


@pytest.fixture
def notify(database: Database, account_id: AccountId) -> Notify:
    """A genuine notification of the mailbox, which is mirrored and not due for an hour."""
    store, provider = PushStore(database), ProviderName("microsoft")
    rows(database, MIRRORED)
    store.add_missing_subscription_rows(provider, "url")
    claim = store.claim_due_subscription(provider, "url", 600)
    assert claim
    made = Subscription(RemoteId("mine"), datetime.now(UTC) + timedelta(days=2))
    store.save_created_subscription(claim, made, "secret")
    rows(database, "UPDATE mailsync.sync_queue SET notified = false RETURNING 1")
    rows(database, MIRRORED)
    notification = SubscriptionNotification(
        RemoteId("mine"), "secret", NotificationKind.MAIL_CHANGED
    )
    return lambda: store.apply_subscription_notifications([notification])


def pass_time(database: Database, table: str, column: str, seconds: float) -> None:
    rows(database, PAST.format(table, column, column, seconds))


def test_a_notified_mailbox_is_claimed_once(
    queue: NotifiedMailboxQueueStore, notify: Notify, account_id: AccountId, database: Database
) -> None:
    assert queue.take_slot_for_new_worker() is None
    notify()
    holder = queue.take_slot_for_new_worker()
    assert holder

    assert queue.claim_notified_mailboxes(holder, 10) == (account_id,)

    assert queue.claim_notified_mailboxes(holder, 10) == ()
    assert DueMailboxQueueStore(database).claim_due_mailboxes(10, 60) == ()
    assert queue.take_slot_for_new_worker() is None


@pytest.mark.parametrize("is_function_working", [False, True])
def test_a_tick_claims_a_notified_mailbox_at_once_or_after_a_minute_of_work_by_others(
    *,
    is_function_working: bool,
    queue: NotifiedMailboxQueueStore,
    notify: Notify,
    account_id: AccountId,
    database: Database,
) -> None:
    ticks = DueMailboxQueueStore(database)
    notify()
    if is_function_working:
        assert queue.take_slot_for_new_worker()
        assert ticks.claim_due_mailboxes(10, 60) == ()
        pass_time(database, "sync_queue", "due_at", SCHEDULED_CHECK_DELAY_IF_NOTIFIED_S + 1)

    assert ticks.claim_due_mailboxes(10, 60) == (account_id,)


def test_a_lost_claim_is_due_again_after_a_minute(
    queue: NotifiedMailboxQueueStore, notify: Notify, account_id: AccountId, database: Database
) -> None:
    notify()
    queue.claim_notified_mailboxes(queue.take_slot_for_new_worker() or "", 10)
    pass_time(database, "sync_queue", "due_at", 61)

    assert DueMailboxQueueStore(database).claim_due_mailboxes(10, 60) == (account_id,)


@pytest.mark.parametrize("happens", BUSY.values(), ids=BUSY)
def test_a_busy_mailbox_is_not_checked_a_second_time(
    *, queue: NotifiedMailboxQueueStore, notify: Notify, database: Database, happens: str
) -> None:
    notify()
    holder = queue.take_slot_for_new_worker()
    assert holder
    rows(database, happens)

    assert queue.claim_notified_mailboxes(holder, 10) == ()
    assert queue.take_slot_for_new_worker() is None


def test_two_checks_may_follow_each_other_and_a_third_waits(
    queue: NotifiedMailboxQueueStore, notify: Notify, account_id: AccountId, database: Database
) -> None:
    claimed = []
    for _ in range(4):
        rows(database, CHECK_ENDED)
        notify()
        holder = queue.take_slot_for_new_worker()
        claimed.append(len(queue.claim_notified_mailboxes(holder, 10)) if holder else 0)
        queue.release_worker_slot(holder or "")
    assert claimed == [1, 1, 0, 0]

    seconds = MIN_AVERAGE_TIME_BETWEEN_NOTIFIED_CHECKS_S + 1
    pass_time(database, "sync_queue", "notified_not_before", seconds)

    assert queue.claim_notified_mailboxes(queue.take_slot_for_new_worker() or "", 10) == (
        account_id,
    )


def test_what_the_tick_checks_is_not_checked_for_its_notification_as_well(
    queue: NotifiedMailboxQueueStore, notify: Notify, account_id: AccountId, database: Database
) -> None:
    notify()
    assert DueMailboxQueueStore(database).claim_due_mailboxes(10, 60) == (account_id,)
    rows(database, CHECK_ENDED)

    assert queue.take_slot_for_new_worker() is None


def test_slots_are_few_and_free_again_when_released_or_lost(
    queue: NotifiedMailboxQueueStore, notify: Notify, database: Database
) -> None:
    notify()
    pass_time(database, "sync_queue", "due_at", MAX_WAIT_BEFORE_ADDING_CHECK_WORKER_S + 1)
    holders = [
        queue.take_slot_for_new_worker() for _ in range(MAX_WORKERS_FOR_NOTIFIED_MAILBOXES + 2)
    ]
    assert [each is not None for each in holders] == [True] * MAX_WORKERS_FOR_NOTIFIED_MAILBOXES + [
        False
    ] * 2

    queue.release_worker_slot(holders[0] or "")
    assert queue.take_slot_for_new_worker()
    assert queue.take_slot_for_new_worker() is None
    pass_time(database, "check_slots", "held_until", CHECK_WORKER_SLOT_LIFETIME_S + 1)
    assert queue.take_slot_for_new_worker()


def test_a_function_whose_slot_another_has_claims_nothing(
    queue: NotifiedMailboxQueueStore, notify: Notify
) -> None:
    notify()
    holder = queue.take_slot_for_new_worker()
    assert holder
    queue.release_worker_slot(holder)

    assert queue.claim_notified_mailboxes(holder, 10) == ()


def test_workers_at_once_claim_each_mailbox_once(
    *, queue: NotifiedMailboxQueueStore, notify: Notify, settings: Settings, database: Database
) -> None:
    notify()
    pass_time(database, "sync_queue", "due_at", MAX_WAIT_BEFORE_ADDING_CHECK_WORKER_S + 1)
    holders = [
        queue.take_slot_for_new_worker() or "" for _ in range(MAX_WORKERS_FOR_NOTIFIED_MAILBOXES)
    ]

    def claim(holder: str) -> list[AccountId]:
        with closing(Database(settings)) as own:
            return [*NotifiedMailboxQueueStore(own).claim_notified_mailboxes(holder, 10)]

    with ThreadPoolExecutor(MAX_WORKERS_FOR_NOTIFIED_MAILBOXES) as pool:
        claimed = Counter(each for found in pool.map(claim, holders) for each in found)

    assert list(claimed.values()) == [1]
