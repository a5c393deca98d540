"""How far behind we are, told from the rows; and each outcome of a run counted once."""

import pytest

from mailsync.errors import LeaseLost
from mailsync.model import AccountId, RunId, RunRef, SyncType, SyncTypeAndFolders
from mailsync.store.backlog_store import Backlog, BacklogStore
from mailsync.store.connection import Database
from mailsync.store.queue_store import DueMailboxQueueStore
from mailsync.store.run_store import RunStore
from tests.store.rows import one, rows
from tests.support.builders import begin_run, complete_verified, connect_account
from tests.support.emf import Counted

EXPIRE = "UPDATE mailsync.email_accounts SET lease_until = now() - interval '1 second' RETURNING 1"
OVERDUE = (
    "UPDATE mailsync.email_accounts SET next_sync_at = now() - interval '{} s', status = '{}'"
    " WHERE id = '{}' RETURNING 1"
)
LONG_AGO = "UPDATE mailsync.sync_runs SET created_at = now() - interval '900 s' RETURNING 1"
EVENTS = (
    "INSERT INTO mailsync.outbox (account_id, type, detail, created_at, published_at)"
    " SELECT id, 't', '{}', now() - each.age, each.published"
    " FROM mailsync.email_accounts, (VALUES (interval '500 s', now()), ('70 s', NULL))"
    " AS each (age, published) RETURNING 1"
)


@pytest.fixture
def backlog(database: Database) -> BacklogStore:
    return BacklogStore(database)


def test_nothing_is_behind_where_there_is_nothing(backlog: BacklogStore) -> None:
    assert backlog.measure_backlog() == Backlog(0, 0, 0, 0, 0, 0)


def test_the_mailbox_that_is_due_longest_counts_and_paused_ones_do_not(
    backlog: BacklogStore, database: Database
) -> None:
    waits = {"active": 300, "paused": 9_000, "reauth_required": 9_000}
    for status, seconds in waits.items():
        one(database, OVERDUE.format(seconds, status, connect_account(database, status)))
    one(database, OVERDUE.format(60, "active", connect_account(database, "another")))

    now = backlog.measure_backlog()

    assert (now.due, now.to_reconnect) == (2, 1)
    assert 300 <= now.overdue_s < 330


def test_a_claim_does_not_hide_that_nobody_looks_at_a_mailbox(
    backlog: BacklogStore, account_id: AccountId, database: Database
) -> None:
    """So it is when batches are lost: the queue alone would show it as put off, again and again."""
    one(database, OVERDUE.format(1_900, "active", account_id))
    assert DueMailboxQueueStore(database).claim_due_mailboxes(10, 600) == (account_id,)

    assert backlog.measure_backlog().due == 1
    assert 1_900 <= backlog.measure_backlog().overdue_s < 1_930


def test_a_mailbox_on_which_one_works_for_long_is_not_overdue(
    backlog: BacklogStore, run: RunRef, database: Database
) -> None:
    one(database, OVERDUE.format(9_000, "active", run.account_id))
    assert (backlog.measure_backlog().due, backlog.measure_backlog().overdue_s) == (0, 0)

    one(database, EXPIRE)
    assert backlog.measure_backlog().due == 1


def test_a_run_that_nobody_begins_is_overdue_although_its_mailbox_was_put_off(
    backlog: BacklogStore, runs: RunStore, account_id: AccountId, database: Database
) -> None:
    """So it is when executions cannot be started."""
    assert DueMailboxQueueStore(database).claim_due_mailboxes(10, 600) == (account_id,)
    runs.enqueue_run(account_id, RunId("run-1"), SyncTypeAndFolders(SyncType.AUTOMATIC), "schedule")
    one(database, LONG_AGO)

    assert 900 <= backlog.measure_backlog().overdue_s < 930


def test_the_oldest_event_that_waits_is_told_and_published_ones_are_not(
    backlog: BacklogStore, account_id: AccountId, database: Database
) -> None:
    one(database, EVENTS)

    assert 70 <= backlog.measure_backlog().unpublished_s < 100


def test_a_run_is_completed_and_counted_once_though_it_is_asked_twice(
    runs: RunStore, run: RunRef, database: Database, counted: Counted
) -> None:
    """A function may die between its commit and its answer."""
    with counted() as metrics:
        complete_verified(database, run)
        assert runs.complete_or_fail_run(run)

    assert metrics == {("RunsCompleted",): 1}
    assert rows(database, "SELECT type FROM mailsync.outbox") == [["sync.completed"]]


def test_a_run_that_lost_its_lease_to_another_is_counted_by_that_name(
    runs: RunStore, run: RunRef, database: Database, counted: Counted
) -> None:
    one(database, EXPIRE)
    with counted() as metrics:
        begin_run(database, run.account_id, "run-2", "arn-2")
        with pytest.raises(LeaseLost):
            runs.complete_or_fail_run(run)

    assert metrics == {("RunsFailed", "LeaseLost"): 1}
