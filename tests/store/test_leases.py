"""One execution per mailbox; a dead one never blocks the next, a late one never writes."""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing

import pytest

from mailsync.errors import AccountNotFound, LeaseLost
from mailsync.model import AccountId, RunId, RunRef, SyncType, SyncTypeAndFolders
from mailsync.settings import Settings
from mailsync.store.account_store import AccountStore
from mailsync.store.connection import Database
from mailsync.store.lease_store import LeaseStore
from mailsync.store.queue_store import DueMailboxQueueStore
from mailsync.store.run_store import RunStore
from tests.store.conftest import Mirror
from tests.store.rows import one, rows
from tests.support.builders import connect_account

EXPIRE = "UPDATE mailsync.email_accounts SET lease_until = now() - interval '1 second' RETURNING 1"

MANUAL = SyncTypeAndFolders(SyncType.MANUAL)


def begin(database: Database, account_id: AccountId, name: str) -> int | None:
    return LeaseStore(database).take_lease(
        account_id, RunId(name), f"arn-{name}", SyncType.AUTOMATIC, "test"
    )


def test_of_many_executions_exactly_one_gets_the_lease(
    settings: Settings, account_id: AccountId
) -> None:
    def contend(number: int) -> int | None:
        with closing(Database(settings)) as database:
            return begin(database, account_id, f"run-{number}")

    with ThreadPoolExecutor(8) as pool:
        epochs = list(pool.map(contend, range(24)))

    assert sum(epoch is not None for epoch in epochs) == 1


def test_the_same_execution_gets_its_own_lease_again(
    database: Database, account_id: AccountId
) -> None:
    assert begin(database, account_id, "run-1") == begin(database, account_id, "run-1")


def test_an_expired_lease_passes_on_and_its_old_owner_is_refused(
    run: RunRef, database: Database
) -> None:
    one(database, EXPIRE)
    epoch = begin(database, run.account_id, "run-2")

    assert epoch == run.lease_epoch + 1
    with pytest.raises(LeaseLost):
        LeaseStore(database).renew_lease(run)
    statuses = dict(rows(database, "SELECT id, status FROM mailsync.sync_runs"))
    assert statuses == {"run-1": "failed", "run-2": "running"}


def test_of_two_requests_with_one_key_the_second_waits_to_be_answered_like_the_first(
    runs: RunStore, account_id: AccountId, database: Database, settings: Settings
) -> None:
    """Else the second would start a run if the one that the first has joined ends between them."""
    runs.enqueue_run(account_id, RunId("a"), MANUAL, "api")
    named = {"account_id": account_id, "key": "key-1"}

    with closing(Database(settings)) as other, ThreadPoolExecutor(1) as second:
        with database.transaction() as tx:
            tx.run("lock_key", **named)
            tx.run("keep_joined_key", **named, run_id="a", sync_type="full", folder_ids=None)
            tx.run(
                "finish_run", run_id="a", status="failed", error="X", error_message="", requests=0
            )
            asked = second.submit(
                RunStore(other).enqueue_run, account_id, RunId("b"), MANUAL, "api", "key-1"
            )
            assert wait([asked], timeout=0.5).done == set()
        answer = asked.result(timeout=10)

    assert (answer.id, answer.sync_scope_of_idempotency_key) == (
        "a",
        SyncTypeAndFolders(SyncType.FULL),
    )


def test_the_initial_sync_is_complete_only_when_every_folder_was_proven(mirror: Mirror) -> None:
    mirror.folder_store.mark_verified_by_counts(mirror.run, [mirror.first])

    assert not mirror.run_store.complete_or_fail_run(mirror.run)
    account = AccountStore(mirror.database).read_account(mirror.run.account_id)
    assert not account.is_initial_sync_completed


def test_a_grant_that_was_replaced_meanwhile_asks_for_nobody_and_the_new_one_is_tried_at_once(
    runs: RunStore, run: RunRef, database: Database
) -> None:
    assert connect_account(database, "ann") == run.account_id

    runs.fail_run(run.account_id, run.run_id, "arn-1", "AccessRevoked", "Sign in again.")

    assert one(database, "SELECT status, sync_status FROM mailsync.email_accounts") == [
        "active",
        "failed",
    ]
    assert rows(database, "SELECT type FROM mailsync.outbox") == [["sync.failed"]]
    assert DueMailboxQueueStore(database).claim_due_mailboxes(10, 60.0) == (run.account_id,)


@pytest.mark.parametrize("unknown", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_account_is_not_found_whatever_its_id_looks_like(
    database: Database, unknown: str
) -> None:
    with pytest.raises(AccountNotFound):
        AccountStore(database).read_account(AccountId(unknown))


@pytest.mark.parametrize("key", [None, "key"])
def test_an_account_that_was_deleted_while_its_sync_was_asked_for_is_not_found(
    runs: RunStore, key: str | None
) -> None:
    gone = AccountId("00000000-0000-0000-0000-000000000000")

    with pytest.raises(AccountNotFound):
        runs.enqueue_run(gone, RunId("r"), MANUAL, "api", key)
