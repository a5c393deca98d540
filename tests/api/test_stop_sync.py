"""DELETE /api/email/sync."""

import json
from uuid import uuid4

import boto3
import pytest

from handlers.close_run import handler as close_run
from mailsync.errors import LeaseLost
from mailsync.model import AccountId, RunId, RunRef, SyncType, Upsert
from mailsync.store.connection import Database
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from mailsync.store.run_store import RunStore
from tests.api.conftest import Ask, Sql
from tests.api.requests import EVENTS, Context
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder

START, STOP = "POST /api/email/sync", "DELETE /api/email/sync"
RUN = "SELECT status, error, finished_at IS NOT NULL FROM mailsync.sync_runs"
ACCOUNT = "SELECT sync_status, lease_owner, failures, last_error FROM mailsync.email_accounts"
WAIT_S = "SELECT extract(epoch FROM next_sync_at - now()) FROM mailsync.email_accounts"


@pytest.fixture
def run(ask: Ask, account_id: AccountId, database: Database) -> RunRef:
    """A sync that was started and holds the lease."""
    accepted = ask(START, body={"accountId": account_id}).json
    run_id = RunId(accepted["runId"])
    epoch = LeaseStore(database).begin(
        account_id, run_id, accepted["executionArn"], SyncType.MANUAL, "api"
    )
    assert epoch is not None
    return RunRef(account_id, run_id, epoch)


def test_the_execution_ends_and_the_run_is_cancelled_at_once(
    ask: Ask, run: RunRef, sql: Sql
) -> None:
    arn = sql("SELECT execution_arn FROM mailsync.sync_runs")[0][0]

    answer = ask(STOP, query={"accountId": run.account_id})

    assert (answer.status, answer.json["runId"]) == (200, run.run_id)
    execution = boto3.client("stepfunctions").describe_execution(executionArn=arn)
    assert execution["status"] == "ABORTED"
    assert sql(RUN) == [["cancelled", "ExecutionStopped", True]]
    assert sql(ACCOUNT) == [["idle", None, 0, None]]
    assert sql("SELECT type FROM mailsync.outbox") == [["sync.cancelled"]]


def test_a_function_that_still_works_cannot_write(ask: Ask, run: RunRef, sql: Sql) -> None:
    from mailsync.store.connection import open_database

    mail, folders = MailStore(open_database()), FolderStore(open_database())
    folders.save(run, [a_remote_folder("F1")], [])
    (folder,) = folders.folders(run.account_id)
    page = a_page(Upsert(a_message("late")))

    ask(STOP, query={"accountId": run.account_id})

    with pytest.raises(LeaseLost):
        mail.apply_page(run, a_page_write(folder, page))
    with pytest.raises(LeaseLost):
        RunStore(open_database()).complete(run)
    assert sql("SELECT count(*) FROM mailsync.emails") == [[0]]


def test_what_the_execution_says_afterwards_does_not_overwrite_the_outcome(
    ask: Ask, run: RunRef, sql: Sql
) -> None:
    ask(STOP, query={"accountId": run.account_id})

    event = json.loads((EVENTS / "close-run.json").read_text())
    event["detail"] |= {"name": run.run_id, "status": "ABORTED"}
    closed = close_run(event, Context())  # type: ignore[arg-type]

    assert closed == {"closed": False}
    assert sql(RUN) == [["cancelled", "ExecutionStopped", True]]
    assert sql(ACCOUNT) == [["idle", None, 0, None]]


def test_a_run_that_was_stopped_before_it_began_does_not_begin(
    ask: Ask, account_id: AccountId, database: Database, sql: Sql
) -> None:
    accepted = ask(START, body={"accountId": account_id}).json
    ask(STOP, query={"accountId": account_id})

    epoch = LeaseStore(database).begin(
        account_id, RunId(accepted["runId"]), accepted["executionArn"], SyncType.MANUAL, "api"
    )

    assert epoch is None
    assert sql(RUN) == [["cancelled", "ExecutionStopped", True]]
    assert sql("SELECT lease_owner FROM mailsync.email_accounts") == [[None]]


def test_the_next_sync_comes_by_itself_but_not_within_the_minute(
    ask: Ask, run: RunRef, sql: Sql
) -> None:
    ask(STOP, query={"accountId": run.account_id})

    assert 4 * 60 < float(sql(WAIT_S)[0][0]) < 6 * 60


def test_a_stopped_sync_can_be_started_again_at_once(ask: Ask, run: RunRef) -> None:
    ask(STOP, query={"accountId": run.account_id})

    again = ask(START, body={"accountId": run.account_id})

    assert (again.status, again.json["status"]) == (202, "queued")
    assert again.json["runId"] != run.run_id


def test_stopping_where_nothing_runs_changes_nothing(ask: Ask, run: RunRef, sql: Sql) -> None:
    ask(STOP, query={"accountId": run.account_id})
    before = sql("SELECT * FROM mailsync.email_accounts")

    answer = ask(STOP, query={"accountId": run.account_id})

    assert answer.status == 200
    assert (answer.json["runId"], answer.json["message"]) == (None, "No sync was running.")
    assert sql("SELECT * FROM mailsync.email_accounts") == before


def test_another_users_sync_goes_on(ask: Ask, run: RunRef, sql: Sql) -> None:
    theirs = ask(STOP, query={"accountId": run.account_id}, user="bo")
    unknown = ask(STOP, query={"accountId": str(uuid4())}, user="bo")

    assert theirs.status == 404
    assert theirs == unknown
    assert sql("SELECT status FROM mailsync.sync_runs") == [["running"]]
