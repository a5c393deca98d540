"""Notified mailboxes are checked until none is left, and once more for what came meanwhile."""

from contextlib import closing
from queue import SimpleQueue

import pytest

from mailsync.store.connection import Database
from mailsync.store.queue_store import NotifiedMailboxQueueStore
from mailsync.sync import batch
from mailsync.sync.batch import CheckBatchReport
from mailsync.sync.check import CheckWorker
from mailsync.sync.notified import check_notified_mailboxes
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

REST = (
    "UPDATE mailsync.email_accounts SET next_sync_at = now() + interval '1 hour',"
    " last_sync_at = now() - interval '5 minutes', notified_at = NULL RETURNING 1"
)
SLOTS = "SELECT count(*) FROM mailsync.check_slots"
SOON = (
    "SELECT next_sync_at > now() + interval '50 seconds',"
    " next_sync_at < now() + interval '70 seconds' FROM mailsync.email_accounts"
)


@pytest.fixture
def resting(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A mailbox that is mirrored and not due, and one worker."""
    assert world.sync() == "completed"
    world.rows(REST)
    workers: SimpleQueue[CheckWorker] = SimpleQueue()
    workers.put(world.worker)
    monkeypatch.setattr(batch, "_workers", lambda: workers)
    return world


def notify(world: World) -> None:
    with world.database.transaction() as tx:
        for statement in ("notify_accounts", "mark_notified"):
            tx.run(statement, account_ids=f'["{world.account_id}"]')


def check_notified(world: World) -> CheckBatchReport:
    with closing(Database(world.settings)) as database:  # not the connection of the checks
        queue = NotifiedMailboxQueueStore(database)
        holder = queue.take_slot_for_new_worker()
        assert holder
        return check_notified_mailboxes(queue, holder, lambda: 180.0)


def test_the_mail_that_a_notification_is_about_is_stored_and_the_slot_is_free(
    resting: World,
) -> None:
    resting.remote.deliver_message(a_mail("new"))
    notify(resting)

    assert check_notified(resting).outcomes == {"synced": 1}

    assert resting.is_mirrored()
    assert resting.one(SLOTS) == [0]


def test_what_arrives_during_a_check_is_one_more_check(resting: World) -> None:
    def thousand_more() -> None:
        resting.remote.deliver_message(a_mail("meanwhile"))
        for _ in range(20):
            notify(resting)

    notify(resting)
    resting.access.meanwhile = thousand_more

    assert sum(check_notified(resting).outcomes.values()) == 2

    assert resting.is_mirrored()


def test_a_notification_before_its_change_is_followed_by_a_second_check(resting: World) -> None:
    notify(resting)

    assert check_notified(resting).outcomes == {"idle": 1}

    assert resting.one(SOON) == [True, True]
    resting.check()
    assert resting.one(SOON) == [True, False]


def test_without_time_nothing_is_claimed_and_the_mailbox_stays_due(resting: World) -> None:
    notify(resting)
    queue = NotifiedMailboxQueueStore(resting.database)

    assert (
        check_notified_mailboxes(
            queue, queue.take_slot_for_new_worker() or "", lambda: 5.0
        ).outcomes
        == {}
    )

    assert queue.take_slot_for_new_worker()
