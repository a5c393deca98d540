"""The limits of one user's calls in an hour, and the rows that such calls leave."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import uuid4

import pytest

from infra.catalog import ROUTES
from mailsync.api.rate_limits import RateLimitedCall
from mailsync.model import AccountId
from mailsync.settings import DEFAULT_MAX_API_CALLS_PER_HOUR_BY_KIND, Settings, load_settings
from mailsync.store.connection import Database
from mailsync.store.limit_store import RateLimitStore
from tests.api.requests import Api, Sql, good_parts
from tests.api.syncs import STOP, executions, start
from tests.support.functions import run_scheduled

TEST = "GET /api/test-sync"
ONE = "/api/email/accounts/{accountId}"
READS = {
    "GET /api/email/sync",
    "GET /api/email/runs",
    "GET /api/email/runs/{runId}",
    "GET /api/email/accounts",
    f"GET {ONE}",
}
"""Routes that only read."""
LIMITED = sorted({each.route_key for each in ROUTES if not each.is_public} - READS)


@pytest.fixture
def limit(environment: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets other limits for a function that has just started."""

    def change(limits: str) -> None:
        environment.setenv("API_LIMITS", limits)
        load_settings.cache_clear()

    return change


def test_every_limit_has_a_default() -> None:
    assert {*RateLimitedCall} == DEFAULT_MAX_API_CALLS_PER_HOUR_BY_KIND.keys()


@pytest.mark.parametrize("route", LIMITED)
def test_the_call_beyond_the_limit_is_refused_and_another_users_is_not(
    *, api: Api, microsoft: object, account_id: AccountId, limit: Callable[[str], None], route: str
) -> None:
    limit(
        ",".join(
            f"{kind}=1"
            for kind in RateLimitedCall
            if kind is not RateLimitedCall.SELF_TEST_BY_ALL_USERS
        )
    )
    path, (query, body) = route.format(accountId=account_id), good_parts(route, account_id)

    first, second, other = (
        api(path, query=query, body=body, admin=True, user=user) for user in ("ann", "ann", "bo")
    )

    assert first.status != 429
    assert second.problem == (429, "too-many-calls")
    assert 3590 <= int(second.headers["Retry-After"]) <= 3600
    assert other.status != 429


def test_many_users_share_one_limit_of_self_tests(api: Api, limit: Callable[[str], None]) -> None:
    limit("self-tests=2")

    assert [api(TEST, user=f"user {each}").status for each in range(4)] == [200, 200, 429, 429]
    assert len(executions("TEST_SYNC_ARN")) == 2


def test_pairs_of_start_and_stop_with_fresh_keys_end_at_the_limit(
    api: Api, account_id: AccountId, limit: Callable[[str], None]
) -> None:
    limit("sync=4")

    for _ in range(10):
        start(api, account_id, str(uuid4()))
        api(STOP, query={"accountId": account_id})

    assert len(executions()) == 4


def test_a_full_sync_has_its_own_limit(
    api: Api, account_id: AccountId, limit: Callable[[str], None]
) -> None:
    limit("full-sync=1")

    assert [start(api, account_id, syncType="full").status for _ in range(2)] == [202, 429]
    assert start(api, account_id).status == 202


@pytest.mark.parametrize(
    "wrong", ["sync", "sync=0", "sync=-1", "sync=1e3", "nothing=1", "sync=9" * 99]
)
def test_unreadable_limits_are_named(api: Api, limit: Callable[[str], None], wrong: str) -> None:
    limit(wrong)

    response = api(TEST)

    assert response.problem == (503, "setting-missing")
    assert "API_LIMITS" in response.json["detail"]


def test_an_allowance_grows_back_evenly(database: Database, sql: Sql) -> None:
    limits = RateLimitStore(database)
    assert [limits.count_api_call("ann", "sync", 60) for _ in range(61)] == [0] * 60 + [60]

    sql("UPDATE mailsync.call_limits SET whole_at = whole_at - interval '2 minutes' RETURNING 1")

    assert [limits.count_api_call("ann", "sync", 60) for _ in range(3)] == [0, 0, 60]


def test_simultaneous_calls_take_no_more_than_the_limit(settings: Settings) -> None:
    def take(_: int) -> int:
        with closing(Database(settings)) as database:
            return RateLimitStore(database).count_api_call("eve", "sync", 5)

    with ThreadPoolExecutor(6) as pool:
        waits = list(pool.map(take, range(30)))

    assert waits.count(0) == 5


LEFTOVERS = {
    "call_limits": """
INSERT INTO mailsync.call_limits SELECT u, 'sync', now() + age * interval '1 minute' {}""",
    "sign_ins": """
INSERT INTO mailsync.sign_ins
       (state_hash, user_id, cookie_hash, flow_key_id, flow_sealed, expires_at)
SELECT sha256(u::bytea), u, sha256(u::bytea), 1, 'x', now() + age * interval '1 minute' {}""",
    "self_tests": """
INSERT INTO mailsync.self_tests SELECT u, now() + (age - 60) * interval '1 minute' {}""",
    "joined_keys": """
INSERT INTO mailsync.joined_keys (account_id, idempotency_key, run_id, sync_type, created_at)
SELECT r.account_id, u, r.id, 'auto', now() - interval '1 day' + age * interval '1 minute'
  FROM mailsync.sync_runs r, {}""",
}
"""Two rows of each kind: one that counts no more, and one that does for a minute."""
TWO = "(VALUES ('old', -1), ('young', 1)) v(u, age)"


def test_the_schedule_sweeps_what_calls_leave(api: Api, account_id: AccountId, sql: Sql) -> None:
    assert start(api, account_id).status == 202
    sql("INSERT INTO mailsync.data_keys (wrapped) VALUES ('x') RETURNING id")
    sql("DELETE FROM mailsync.call_limits")
    for statement in LEFTOVERS.values():
        sql(statement.format(TWO if "sync_runs" in statement else f"FROM {TWO}"))

    assert run_scheduled("purge_accounts") == {"purged": 0, "swept": len(LEFTOVERS)}
    for table in LEFTOVERS:
        assert sql(f"SELECT count(*) FROM mailsync.{table}") == [[1]], table


def test_stopped_runs_are_deleted_after_a_week(api: Api, account_id: AccountId, sql: Sql) -> None:
    def stopped() -> None:
        assert start(api, account_id).status == 202
        assert api(STOP, query={"accountId": account_id}).json["runId"]

    stopped()
    stopped()
    sql("UPDATE mailsync.sync_runs SET created_at = now() - interval '8 days' RETURNING 1")
    stopped()

    assert sql("SELECT status FROM mailsync.sync_runs") == [["cancelled"]]
