"""What one user may start, write or ask of a provider in an hour, and what such calls leave."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import uuid4

import boto3
import pytest

from infra.catalog import ROUTES
from localdev.simulators.service import TENANT_ID
from mailsync.api.rate_limits import LimitedCall
from mailsync.model import AccountId
from mailsync.settings import CALLS_PER_HOUR, Settings, load_settings
from mailsync.store.connection import Database
from mailsync.store.limit_store import LimitStore
from tests.api.conftest import Ask, Sql
from tests.api.requests import Context

START, STOP, TEST = "POST /api/email/sync", "DELETE /api/email/sync", "GET /api/test-sync"
BEGIN = "GET /api/auth/microsoft"
ONE = "/api/email/accounts/{accountId}"
ORGANISATION = "POST /api/email/accounts/microsoft"
READS = {
    "GET /api/email/sync",
    "GET /api/email/runs",
    "GET /api/email/runs/{runId}",
    "GET /api/email/accounts",
    f"GET {ONE}",
}
"""Routes that only read."""
PARTS: dict[str, dict[str, Any]] = {
    START: {"body": {"accountId": "ACCOUNT"}},
    STOP: {"query": {"accountId": "ACCOUNT"}},
    f"PATCH {ONE}": {"body": {"paused": True}},
    f"POST {ONE}/confirm-removal": {},
    f"DELETE {ONE}": {},
    TEST: {},
    BEGIN: {"headers": {"accept": "application/json"}},
    "POST /api/auth/microsoft/confirm": {"body": {"connection": "none"}},
    ORGANISATION: {
        "body": {"tenantId": TENANT_ID, "emailAddress": "ann@example.org"},
        "admin": True,
    },
}
USED_UP = "urn:mailsync:problem:too-many-calls"


@pytest.fixture
def limit(environment: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets other limits for a function that has just started."""

    def change(limits: str) -> None:
        environment.setenv("API_LIMITS", limits)
        load_settings.cache_clear()

    return change


@pytest.fixture
def limits(settings: Settings) -> Iterator[LimitStore]:
    with closing(Database(settings)) as database:
        yield LimitStore(database)


def executions(environ: str) -> int:
    client = boto3.client("stepfunctions")
    return len(client.list_executions(stateMachineArn=os.environ[environ])["executions"])


def test_every_route_that_does_more_than_read_is_limited() -> None:
    assert {each.key for each in ROUTES if not each.public} == READS | PARTS.keys()
    assert {*LimitedCall} == CALLS_PER_HOUR.keys()


@pytest.mark.parametrize("route", PARTS)
def test_the_call_beyond_the_limit_is_refused_and_the_next_user_s_is_not(
    ask: Ask,
    ask_connect: Ask,
    account_id: AccountId,
    limit: Callable[[str], None],
    route: str,
) -> None:
    limit(",".join(f"{kind}=1" for kind in LimitedCall if kind is not LimitedCall.SELF_TESTS))
    of_connect = next(each.function for each in ROUTES if each.key == route) == "connect"
    path = route.replace("{accountId}", account_id)
    parts = {
        name: {key: account_id if value == "ACCOUNT" else value for key, value in said.items()}
        if isinstance(said, dict)
        else said
        for name, said in PARTS[route].items()
    }

    first, second, other = (
        (ask_connect if of_connect else ask)(path, **parts, user=user)
        for user in ("ann", "ann", "bo")
    )

    assert first.status != 429
    assert (second.status, second.json["type"]) == (429, USED_UP)
    assert 3590 <= int(second.headers["Retry-After"]) <= 3600
    assert other.status != 429


def test_a_user_without_an_account_starts_no_more_executions_than_the_limit(
    ask: Ask, limit: Callable[[str], None]
) -> None:
    limit("self-test=3")
    before = executions("TEST_SYNC_ARN")

    answers = [ask(TEST, user="stranger").status for _ in range(10)]

    assert answers == [200] * 3 + [429] * 7
    assert executions("TEST_SYNC_ARN") - before == 3


def test_many_users_share_one_limit_of_self_tests(ask: Ask, limit: Callable[[str], None]) -> None:
    limit("self-tests=2")

    assert [ask(TEST, user=f"user {each}").status for each in range(4)] == [200, 200, 429, 429]


def test_pairs_of_start_and_stop_with_fresh_keys_end_at_the_limit(
    ask: Ask, account_id: AccountId, limit: Callable[[str], None]
) -> None:
    limit("sync=4")
    before = executions("MAILBOX_SYNC_ARN")

    for _ in range(10):
        key = {"Idempotency-Key": str(uuid4())}
        ask(START, body={"accountId": account_id}, headers=key)
        ask(STOP, query={"accountId": account_id})

    assert executions("MAILBOX_SYNC_ARN") - before == 4


def test_a_full_sync_has_a_limit_of_its_own(
    ask: Ask, account_id: AccountId, limit: Callable[[str], None]
) -> None:
    limit("full-sync=1")
    full = {"accountId": account_id, "syncType": "full"}

    assert [ask(START, body=full).status for _ in range(2)] == [202, 429]
    assert ask(START, body={"accountId": account_id}).status == 202


@pytest.mark.parametrize(
    "wrong", ["sync", "sync=0", "sync=-1", "sync=1e3", "nothing=1", "sync=9" * 99]
)
def test_limits_that_cannot_be_read_are_named(
    ask: Ask, limit: Callable[[str], None], wrong: str
) -> None:
    limit(wrong)

    answer = ask(TEST)

    assert (answer.status, answer.json["type"]) == (503, "urn:mailsync:problem:setting-missing")
    assert "API_LIMITS" in answer.json["detail"]


def test_an_allowance_grows_back_evenly(limits: LimitStore, sql: Sql) -> None:
    assert [limits.take("ann", "sync", 60) for _ in range(61)] == [0] * 60 + [60]

    sql("UPDATE mailsync.call_limits SET whole_at = whole_at - interval '2 minutes' RETURNING 1")

    assert [limits.take("ann", "sync", 60) for _ in range(3)] == [0, 0, 60]


def test_calls_at_the_same_time_take_no_more_than_there_is(settings: Settings) -> None:
    def take(_: int) -> int:
        with closing(Database(settings)) as database:
            return LimitStore(database).take("eve", "sync", 5)

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


def test_what_calls_leave_is_swept_by_the_schedule(
    ask: Ask, account_id: AccountId, sql: Sql
) -> None:
    assert ask(START, body={"accountId": account_id}).status == 202
    sql("INSERT INTO mailsync.data_keys (wrapped) VALUES ('x') RETURNING id")
    sql("DELETE FROM mailsync.call_limits")
    for statement in LEFTOVERS.values():
        sql(statement.format(TWO if "sync_runs" in statement else f"FROM {TWO}"))

    from handlers.purge_accounts import handler

    answer = handler({}, Context())  # type: ignore[arg-type]

    assert answer == {"purged": 0, "swept": len(LEFTOVERS)}
    for table in LEFTOVERS:
        assert sql(f"SELECT count(*) FROM mailsync.{table}") == [[1]], table


def test_runs_that_were_stopped_are_forgotten_after_a_week(
    ask: Ask, account_id: AccountId, sql: Sql
) -> None:
    def stopped() -> None:
        assert ask(START, body={"accountId": account_id}).status == 202
        assert ask(STOP, query={"accountId": account_id}).json["runId"]

    stopped()
    stopped()
    sql("UPDATE mailsync.sync_runs SET created_at = now() - interval '8 days' RETURNING 1")
    stopped()

    assert sql("SELECT status FROM mailsync.sync_runs") == [["cancelled"]]
