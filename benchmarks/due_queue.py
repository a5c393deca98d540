"""`python -m benchmarks.due_queue`: duration and query plan of a claim of due accounts.

The benchmark fills an embedded Postgres with accounts; some are due. It times single
claims, then runs several at once, which must never claim an account twice. After each claim the
accounts get a later due time, as in the product, so dead row versions accumulate realistically.
"""

import argparse
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localdev.engine.postgres import Postgres
from mailsync.settings import Settings
from mailsync.store.connection import Database, connect
from mailsync.store.migrate import apply_migrations
from mailsync.store.queue_store import DueMailboxQueueStore
from mailsync.store.statements import load_sql_statements

MAX_CLAIM_MS = 100
CLAIM_LIFETIME_S = 600
FILL_STATEMENT = """
INSERT INTO mailsync.email_accounts
       (user_id, provider, provider_account_id, email_address, status, sync_status,
        initial_sync_completed, last_sync_at, verified_at, next_sync_at)
SELECT 'user-' || n, 'microsoft', gen_random_uuid() || '.tenant', 'person' || n || '@example.com',
       CASE WHEN n % 50 = 0 THEN 'paused' ELSE 'active' END, 'completed', true, now(), now(),
       CASE WHEN n <= {due} THEN now() - random() * interval '10 minutes'
            ELSE now() + interval '1 hour' + random() * interval '10 minutes' END
  FROM generate_series(1, {accounts}) n"""
MARK_CHECKED = """
UPDATE mailsync.email_accounts
   SET last_sync_at = now(), updated_at = now(),
       next_sync_at = now() + interval '1 hour' + random() * interval '10 minutes'
 WHERE id IN (SELECT cast(each AS uuid) FROM unnest(cast(:ids AS text[])) AS each)"""


def main() -> int:
    """Return 0 if the benchmark passes, else 1.

    It passes if the median of a claim is at most 100 ms, no account was claimed twice, and the plan
    is an index-only scan.
    """
    options = _options()
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder)) as server:
        settings = Settings({"DATABASE_URL": server.superuser_socket_url})
        apply_migrations(settings)
        _fill(settings, options.accounts, options.due)
        plan = _plan(settings, options.claim)
        median_ms = _time_ticks(settings, options.claim, options.times)
        twice = _race(settings, options.claim, options.ticks)
    print(plan)
    is_index_only = "Index Only Scan using sync_queue_due" in plan
    print(f"found in the index alone: {is_index_only}; the median may take {MAX_CLAIM_MS} ms")
    return 0 if median_ms <= MAX_CLAIM_MS and not twice and is_index_only else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.due_queue", description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--due", type=int, default=100_000, help="how many of them are due")
    parser.add_argument("--claim", type=int, default=1_000, help="accounts per tick")
    parser.add_argument("--times", type=int, default=40, help="ticks that are timed one by one")
    parser.add_argument("--ticks", type=int, default=10, help="ticks at once")
    return parser.parse_args()


def _fill(settings: Settings, accounts: int, due: int) -> None:
    connection = connect(settings)
    connection.run(FILL_STATEMENT.format(accounts=accounts, due=due))
    connection.run("VACUUM ANALYZE")
    connection.run("CHECKPOINT")
    [sizes] = connection.run(
        "SELECT pg_size_pretty(pg_total_relation_size('mailsync.email_accounts')),"
        " pg_size_pretty(pg_total_relation_size('mailsync.sync_queue'))"
    )
    connection.close()
    print(f"{accounts} accounts in {sizes[0]}, their queue in {sizes[1]}, {due} of them due")


def _plan(settings: Settings, claim: int) -> str:
    connection = connect(settings)
    rows = connection.run(
        f"EXPLAIN {load_sql_statements()['claim_due_accounts']}",
        limit=claim,
        next_in_s=CLAIM_LIFETIME_S,
        notified_wait_s=60,
    )
    connection.close()
    return "\n".join(line for (line,) in rows)


def _time_ticks(settings: Settings, claim: int, times: int) -> float:
    """Return the median duration of a claim in milliseconds."""
    queue, connection, times_ms = DueMailboxQueueStore(Database(settings)), connect(settings), []
    for _ in range(times):
        began = time.perf_counter()
        claimed = queue.claim_due_mailboxes(claim, CLAIM_LIFETIME_S)
        times_ms.append((time.perf_counter() - began) * 1000)
        assert len(claimed) == claim, f"only {len(claimed)} were due: give more --due"
        connection.run(MARK_CHECKED, ids=list(claimed))
    connection.close()
    median, p95 = statistics.median(times_ms), sorted(times_ms)[int(len(times_ms) * 0.95)]
    print(
        f"claim of {claim}: median {median:.1f} ms, p95 {p95:.1f} ms, worst {max(times_ms):.1f} ms"
    )
    return median


def _race(settings: Settings, claim: int, ticks: int) -> int:
    """Return the number of accounts that simultaneous ticks claimed twice."""

    def tick(_: int) -> list[str]:
        database = Database(settings)
        try:
            return list(DueMailboxQueueStore(database).claim_due_mailboxes(claim, CLAIM_LIFETIME_S))
        finally:
            database.close()

    with ThreadPoolExecutor(ticks) as pool:
        claimed = [each for found in pool.map(tick, range(ticks * 3)) for each in found]
    twice = len(claimed) - len(set(claimed))
    print(f"{ticks} ticks at once: {len(claimed)} claimed, {twice} of them twice")
    return twice


if __name__ == "__main__":
    sys.exit(main())
