"""Runs whose execution is over are closed once, and their mailbox is free again."""

import json
from collections.abc import Iterator

import pytest

from handlers.close_run import handler
from handlers.mark_complete import handler as mark_complete
from mailsync.errors import VerificationFailed
from mailsync.model import RunRef
from mailsync.settings import Settings, load_settings
from mailsync.store.connection import Database, open_database
from mailsync.store.lease_store import LeaseStore
from mailsync.store.run_store import RunStore
from tests.store.rows import one
from tests.support.functions import lambda_context
from tests.support.paths import ROOT

SAMPLE = ROOT / "events" / "close-run.json"
ACCOUNT = (
    "SELECT lease_owner, sync_status, last_error, failures, next_sync_at <= now()"
    " FROM mailsync.email_accounts"
)


def close(run: RunRef, status: str) -> bool:
    event = json.loads(SAMPLE.read_text())
    event["detail"] |= {"name": run.run_id, "status": status}
    return bool(handler(event, lambda_context())["closed"])


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("MAILBOX_SYNC_ARN", "arn:aws:states:r:1:stateMachine:mailbox-sync")
    load_settings.cache_clear()
    open_database.cache_clear()
    yield
    open_database().close()


@pytest.mark.parametrize(
    ("status", "name", "due"),
    [("TIMED_OUT", "ExecutionDied", True), ("ABORTED", "ExecutionStopped", False)],
)
def test_the_run_is_closed_and_what_a_person_stopped_does_not_start_at_once(
    status: str, name: str, due: bool, run: RunRef, database: Database
) -> None:
    arn = f"arn:aws:states:r:1:execution:mailbox-sync:{run.run_id}"
    one(database, f"UPDATE mailsync.email_accounts SET lease_owner = '{arn}' RETURNING 1")

    assert close(run, status)
    assert one(database, ACCOUNT) == [None, "failed", name, 1, due]
    assert not close(run, status)
    assert one(database, ACCOUNT)[3] == 1


def test_a_run_that_knows_no_folder_is_not_completed(run: RunRef, database: Database) -> None:
    """Whatever the workflow made of it: every mailbox has folders, so this one was not read."""
    event = {"accountId": run.account_id, "runId": run.run_id, "leaseEpoch": run.lease_epoch}

    with pytest.raises(VerificationFailed):
        mark_complete(event, lambda_context())

    outcome = one(database, "SELECT status, error FROM mailsync.sync_runs")
    assert outcome == ["failed", "VerificationFailed"]
    assert one(database, ACCOUNT)[1:3] == ["failed", "VerificationFailed"]


def test_a_run_that_waits_for_its_provider_is_not_among_the_silent_ones(
    run: RunRef, runs: RunStore, database: Database
) -> None:
    """A tick asks Step Functions after the hundred that are silent for longest, and no others."""
    one(
        database,
        "UPDATE mailsync.sync_runs SET heartbeat_at = now() - interval '9 min' RETURNING 1",
    )
    LeaseStore(database).save_pause_requested_by_provider(run, 3600)

    assert runs.find_stale_runs(100) == ()

    one(database, "UPDATE mailsync.email_accounts SET throttled_until = now() RETURNING 1")
    assert [run.id for run in runs.find_stale_runs(100)] == [run.run_id]
