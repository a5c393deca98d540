"""DELETE /api/email/sync."""

from typing import Any

import pytest

from handlers.close_run import handler as close_run
from mailsync.errors import LeaseLost
from mailsync.model import AccountId, RunId, RunRef, SyncType
from mailsync.store.connection import Database
from mailsync.store.lease_store import LeaseStore
from mailsync.store.run_store import RunStore
from tests.api.requests import Api, ApiResponse, Sql, sample
from tests.api.syncs import STOP, executions, start, store_four_messages
from tests.support.functions import lambda_context

RUN = "SELECT status, error, finished_at IS NOT NULL FROM mailsync.sync_runs"
ACCOUNT = """SELECT sync_status, lease_owner, failures, last_error,
       next_sync_at - now() BETWEEN interval '4 minutes' AND interval '6 minutes'
  FROM mailsync.email_accounts"""
STOPPED = (["cancelled", "ExecutionStopped", True], ["idle", None, 0, None, True])


def stop(api: Api, account_id: str, **parts: Any) -> ApiResponse:
    return api(STOP, query={"accountId": account_id}, **parts)


def test_stopping_ends_execution_and_run_once_until_a_user_or_the_schedule_starts_another(
    api: Api, run: RunRef, sql: Sql
) -> None:
    """The schedule does so in five minutes."""
    response = stop(api, run.account_id)

    assert (response.status, response.json["runId"]) == (200, run.run_id)
    assert executions()[run.run_id]["status"] == "ABORTED"
    assert (sql(RUN)[0], sql(ACCOUNT)[0]) == STOPPED
    before = sql("SELECT * FROM mailsync.email_accounts")
    nothing = stop(api, run.account_id)
    assert (nothing.status, nothing.json["runId"]) == (200, None)
    assert nothing.json["message"] == "No sync was running."
    assert sql("SELECT * FROM mailsync.email_accounts") == before
    assert sql("SELECT type FROM mailsync.outbox") == [["sync.cancelled"]]
    again = start(api, run.account_id)
    assert (again.status, again.json["status"]) == (202, "queued")
    assert again.json["runId"] != run.run_id


def test_a_function_that_still_works_cannot_write(
    api: Api, run: RunRef, database: Database, sql: Sql
) -> None:
    stop(api, run.account_id)

    with pytest.raises(LeaseLost):
        store_four_messages(database, run)
    with pytest.raises(LeaseLost):
        RunStore(database).complete_or_fail_run(run)
    assert sql("SELECT count(*) FROM mailsync.emails") == [[0]]


def test_the_executions_end_keeps_the_outcome(api: Api, run: RunRef, sql: Sql) -> None:
    stop(api, run.account_id)

    event = sample("close-run")
    event["detail"] |= {"name": run.run_id, "status": "ABORTED"}
    closed = close_run(event, lambda_context())

    assert closed == {"closed": False}
    assert (sql(RUN)[0], sql(ACCOUNT)[0]) == STOPPED


def test_a_run_stopped_before_it_began_does_not_begin(
    api: Api, account_id: AccountId, database: Database, sql: Sql
) -> None:
    accepted = start(api, account_id).json
    stop(api, account_id)

    epoch = LeaseStore(database).take_lease(
        account_id, RunId(accepted["runId"]), accepted["executionArn"], SyncType.MANUAL, "api"
    )

    assert epoch is None
    assert (sql(RUN)[0], sql(ACCOUNT)[0]) == STOPPED
