"""Looking at the tables from outside the product."""

from collections.abc import Iterator
from threading import Thread
from time import monotonic
from typing import Any

from mailsync.store.connection import Database
from tests.support import clock


def rows(database: Database, sql: str) -> list[list[Any]]:
    with database.transaction() as tx:
        # As the version before writes, so that a trigger keeps the placements.
        tx._connection.run("SET LOCAL mailsync.writes_placements = 'off'")
        return tx._connection.run(sql) or []


def one(database: Database, sql: str) -> list[Any]:
    return rows(database, sql)[0]


def emails(database: Database) -> dict[str, tuple[str, bool]]:
    """Each message's folder, and whether it is marked as removed."""
    found = rows(
        database,
        "SELECT m.message_id, f.remote_id, m.removed_at IS NOT NULL"
        " FROM mailsync.emails m JOIN mailsync.email_folders f ON f.id = m.folder_id",
    )
    return {message_id: (folder, removed) for message_id, folder, removed in found}


def let_time_pass(database: Database, hours: float) -> None:
    """As if all that is stored had happened so many hours earlier."""
    clock.let_time_pass(lambda sql: rows(database, sql), hours)


def plan_nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan, as EXPLAIN (FORMAT JSON) shows it, and all nodes below it."""
    yield plan
    for each in plan.get("Plans", ()):
        yield from plan_nodes(each)


def wait_until_it_waits_for_a_lock(observer: Database, thread: Thread) -> None:
    """Wait until a transaction waits for a lock, or the thread that should wait has ended."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    deadline = monotonic() + 10
    while thread.is_alive() and not rows(observer, waiting):
        assert monotonic() < deadline
