"""Who is due is found by the index alone, claimed once, and the oldest first."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from mailsync.decisions.due import DUE_MAILBOX_CLAIM_LIFETIME_S, MAX_DUE_MAILBOXES_CLAIMED_AT_ONCE
from mailsync.model import AccountId
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.queue_store import DueMailboxQueueStore
from mailsync.store.statements import load_sql_statements
from tests.store.rows import plan_nodes, rows

pytestmark = pytest.mark.new_database  # what it measures depends on statistics

ACCOUNTS = 20_000
FILL = """
INSERT INTO mailsync.email_accounts
       (user_id, provider, provider_account_id, email_address, status, next_sync_at)
SELECT 'ann', 'microsoft', n::text, n || '@example.org',
       CASE WHEN n % 50 = 0 THEN 'paused' ELSE 'active' END, {due}
  FROM generate_series(1, {accounts}) n RETURNING 1"""
ACTIVE = (
    "SELECT id::text FROM mailsync.email_accounts WHERE status = 'active' ORDER BY next_sync_at"
)
DUE_AGAIN = (
    "UPDATE mailsync.email_accounts SET next_sync_at = now()"
    " WHERE id = ANY(cast('{{{ids}}}' AS uuid[])) RETURNING 1"
)


def fill(database: Database, accounts: int, due: str) -> None:
    """With statistics, as autovacuum keeps them."""
    rows(database, FILL.format(accounts=accounts, due=due))
    rows(database, "ANALYZE mailsync.sync_queue")


@pytest.fixture
def queue(database: Database) -> Database:
    """20,000 mailboxes, a tenth of them due and none of the others within the hour."""
    due = "now() + make_interval(secs => CASE WHEN n <= 2000 THEN n - 2000 ELSE n + 3600 END)"
    fill(database, ACCOUNTS, due)
    return database


def test_who_is_due_is_found_in_the_index_alone_and_in_its_order(queue: Database) -> None:
    statement = load_sql_statements()["claim_due_accounts"]
    with queue.transaction() as tx:
        explain = f"EXPLAIN (FORMAT JSON) {statement}"
        [[[plan]]] = tx._connection.run(explain, limit=100, next_in_s=60, notified_wait_s=60)

    every = list(plan_nodes(plan["Plan"]))
    finding = next(each for each in every if each.get("Subplan Name") == "CTE found")
    below = [each["Node Type"] for each in plan_nodes(finding)]

    assert below == ["Limit", "Index Only Scan"]
    scanned = {each["Relation Name"] for each in every if each["Node Type"] == "Seq Scan"}
    assert scanned <= {"check_slots"}, "it has four rows"


def test_ten_ticks_at_once_never_claim_a_mailbox_twice_and_forget_none(
    queue: Database, settings: Settings
) -> None:
    """A tick that meets others finds less; what they left is the next one's."""

    def tick(_: int) -> list[AccountId]:
        with closing(Database(settings)) as database:
            return [
                each
                for _ in range(6)
                for each in DueMailboxQueueStore(database).claim_due_mailboxes(100, 600)
            ]

    with ThreadPoolExecutor(10) as pool:
        claimed = Counter(each for found in pool.map(tick, range(10)) for each in found)
    claimed.update(DueMailboxQueueStore(queue).claim_due_mailboxes(ACCOUNTS, 600))

    assert max(claimed.values()) == 1
    assert len(claimed) >= 1960  # of 2000 that were due a fiftieth is paused
    assert DueMailboxQueueStore(queue).claim_due_mailboxes(ACCOUNTS, 600) == ()


@pytest.mark.parametrize("status", ["paused", "reauth_required", "disconnected", "purging"])
def test_who_is_not_active_is_not_in_the_queue_and_comes_back_when_it_is(
    account_id: AccountId, database: Database, status: str
) -> None:
    becomes = "UPDATE mailsync.email_accounts SET status = '{}' RETURNING 1"
    rows(database, becomes.format(status))
    assert DueMailboxQueueStore(database).claim_due_mailboxes(10, 60.0) == ()

    rows(database, becomes.format("active"))
    assert DueMailboxQueueStore(database).claim_due_mailboxes(10, 60.0) == (account_id,)


def test_after_an_outage_10_000_mailboxes_are_drained_evenly_and_in_turn(
    database: Database,
) -> None:
    """Every seventh fails and is due again at once: it stands behind those that still wait."""
    fill(database, 10_000, "now() - make_interval(mins => 10, secs => n)")
    waiting = [AccountId(each) for (each,) in rows(database, ACTIVE)]
    ticks = []
    while waiting:
        claimed = DueMailboxQueueStore(database).claim_due_mailboxes(
            MAX_DUE_MAILBOXES_CLAIMED_AT_ONCE, DUE_MAILBOX_CLAIM_LIFETIME_S
        )
        number = len({*claimed} & {*waiting})
        assert list(claimed[:number]) == waiting[:number]
        waiting = waiting[number:]
        ticks.append(number)
        rows(database, DUE_AGAIN.format(ids=",".join(claimed[::7])))

    assert ticks == [3000, 3000, 3000, 800]
