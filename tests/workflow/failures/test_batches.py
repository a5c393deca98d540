"""Batches of mailboxes that are due: each for itself, and none forgotten."""

import json
from queue import SimpleQueue
from typing import Any

import pytest

from mailsync.model import AccountId
from mailsync.runs.batches import MAILBOXES_PER_BATCH, DueCheckInvoker
from mailsync.store.check_store import CheckStore
from mailsync.store.queue_store import DueMailboxQueueStore
from mailsync.sync import batch
from mailsync.sync.batch import MIN_REMAINING_TIME_FOR_CHECK_S, check_batch_of_mailboxes
from mailsync.sync.check import CheckWorker
from tests.workflow.failures.world import World

DUE = "UPDATE mailsync.email_accounts SET next_sync_at = now()"
IS_DUE = "SELECT due_at <= now() FROM mailsync.sync_queue"
NOBODY = AccountId("00000000-0000-0000-0000-000000000000")


class Refused(Exception):
    pass


class Lambda:
    """Accepts so many events and refuses those that follow."""

    def __init__(self, accepts: int) -> None:
        self._accepts = accepts
        self.events: list[list[str]] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: str) -> None:  # noqa: N803
        assert (FunctionName, InvocationType) == ("arn", "Event")
        if len(self.events) == self._accepts:
            raise Refused
        self.events.append(json.loads(Payload)["accountIds"])


@pytest.fixture
def claimed(world: World) -> World:
    world.rows(DUE)
    assert DueMailboxQueueStore(world.database).claim_due_mailboxes(10, 600) == (world.account_id,)
    return world


@pytest.fixture
def one_worker(claimed: World, monkeypatch: pytest.MonkeyPatch) -> World:
    workers: SimpleQueue[CheckWorker] = SimpleQueue()
    workers.put(claimed.worker)
    monkeypatch.setattr(batch, "_workers", lambda: workers)
    return claimed


def waking(world: World, accepts: int) -> tuple[DueCheckInvoker, Lambda]:
    batches, host = (DueCheckInvoker(DueMailboxQueueStore(world.database), "arn"), Lambda(accepts))
    named: Any = batches._function
    named._client = host
    return batches, host


def test_mailboxes_are_handed_out_in_batches(claimed: World) -> None:
    batches, host = waking(claimed, accepts=9)

    assert batches.invoke_async([claimed.account_id] * (2 * MAILBOXES_PER_BATCH + 1)) == 3

    assert [len(each) for each in host.events] == [MAILBOXES_PER_BATCH, MAILBOXES_PER_BATCH, 1]
    assert claimed.one(IS_DUE) == [False]


def test_what_lambda_refuses_is_due_again_at_once(claimed: World) -> None:
    batches, host = waking(claimed, accepts=1)

    with pytest.raises(Refused):
        batches.invoke_async([NOBODY] * MAILBOXES_PER_BATCH + [claimed.account_id])

    assert len(host.events) == 1
    assert claimed.one(IS_DUE) == [True]


def test_a_mailbox_for_which_no_time_is_left_is_due_again_at_once(one_worker: World) -> None:
    tally = check_batch_of_mailboxes(
        [one_worker.account_id], remaining_s=lambda: MIN_REMAINING_TIME_FOR_CHECK_S - 1
    )

    assert tally.outcomes == {"putBack": 1}
    assert one_worker.one(IS_DUE) == [True]


def test_a_batch_tells_what_came_of_its_mailboxes_and_what_checks_cost(one_worker: World) -> None:
    one_worker.sync()
    one_worker.check()  # the first one looks for hidden folders

    tally = check_batch_of_mailboxes([one_worker.account_id, NOBODY], remaining_s=lambda: 180)

    assert tally.outcomes == {"idle": 1, "busy": 1}
    assert (tally.idle_request_count, tally.idle_database_round_trip_count) == (5, 7)
    assert 0 < tally.idle_duration_s < 30


def test_a_database_that_is_away_fails_no_batch(
    one_worker: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claims end by themselves; nothing is known of the mailboxes that could be stored."""

    def away(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(CheckStore, "begin_check", away)

    assert check_batch_of_mailboxes([one_worker.account_id], remaining_s=lambda: 180).outcomes == {
        "lost": 1
    }
