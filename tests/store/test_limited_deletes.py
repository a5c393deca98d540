"""Statements that delete a limited number of rows keep to it, whatever plan the server chooses."""

import re
from collections.abc import Iterator

import pytest

from mailsync.store.statements import load_sql_statements
from tests.store.conftest import Mirror

ROWS, LIMIT = 12, 2
HOSTILE_PLANS = (
    "hashjoin",
    "mergejoin",
    "hashagg",
    "sort",
    "material",
    "memoize",
    "indexscan",
    "bitmapscan",
)
"""What the planner must not use: the remaining plans read an inner query once for each row."""
OLD = "now() - interval '1 month'"
TABLES = {
    "purge_emails": ("emails", None),
    "forget_self_tests": (
        "self_tests",
        f"INSERT INTO mailsync.self_tests (id, written_at) SELECT each, {OLD}"
        f" FROM generate_series(1, {ROWS}) AS each",
    ),
    "forget_whole_limits": (
        "call_limits",
        f"INSERT INTO mailsync.call_limits (user_id, kind, whole_at) SELECT each::text, 'x', {OLD}"
        f" FROM generate_series(1, {ROWS}) AS each",
    ),
}


@pytest.mark.parametrize("statement", TABLES)
def test_no_plan_deletes_more_than_the_limit(mirror: Mirror, statement: str) -> None:
    table, fill = TABLES[statement]
    mirror.rows("UPDATE mailsync.email_accounts SET status = 'purging'")
    mirror.rows(fill) if fill else mirror.fill(mirror.first, ROWS)
    own = {"account_id": mirror.run.account_id} if table == "emails" else {}

    with mirror.database.transaction() as tx:
        for each in HOSTILE_PLANS:
            tx._connection.run(f"SET LOCAL enable_{each} = off")
        assert tx.run_returning_row_count(statement, **own, limit=LIMIT) == LIMIT


def inner_queries(text: str) -> Iterator[str]:
    """Yield what stands in the parentheses after each IN."""
    for found in re.finditer(r"\bIN\s*\(", text):
        depth, end = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield text[found.end() : end - 1]


def test_no_statement_has_a_limit_that_a_plan_may_repeat() -> None:
    """`IN (SELECT ... LIMIT ...)` may be run for each row; an array and a materialized query are
    computed once."""
    repeated = [
        name
        for name, text in load_sql_statements().items()
        if any(re.search(r"\bLIMIT\b", each) for each in inner_queries(text))
    ]
    assert repeated == []
