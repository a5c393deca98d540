"""Events that request a sync: joined, repeated, refused in words, or tried again."""

from typing import Any

import pytest

from mailsync.errors import StoreUnavailable
from mailsync.events.incoming import SyncOrSelfTestEventReceiver
from mailsync.model import AccountId, ProviderName, RunId
from mailsync.runs.step_functions import StepFunctions
from mailsync.runs.trigger import SyncStarter
from mailsync.settings import Settings
from mailsync.store.account_store import AccountStore
from mailsync.store.connection import Database
from mailsync.store.run_store import RunStore
from tests.store.rows import one, rows
from tests.support.builders import connect_account

SYNC = "email/microsoft.sync"
STAGE = Settings({"MICROSOFT_CLIENT_ID": "app"})
MACHINE = "arn:aws:states:r:1:stateMachine:mailbox-sync"


class RunningForEver(StepFunctions):
    """Executions that start and do not end."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start_execution(self, machine_arn: str, name: str, state: dict[str, Any]) -> str:
        self.started.append(name)
        return f"{machine_arn}:{name}"

    def find_execution_status(self, arn: str) -> str | None:
        return "RUNNING" if arn.rsplit(":", 1)[1] in self.started else None


@pytest.fixture
def workflows() -> RunningForEver:
    return RunningForEver()


@pytest.fixture
def receiver(
    database: Database, runs: RunStore, workflows: RunningForEver
) -> SyncOrSelfTestEventReceiver:
    trigger = SyncStarter(runs, workflows, MACHINE)
    return SyncOrSelfTestEventReceiver(AccountStore(database), trigger, workflows, STAGE)


def receive(
    receiver: SyncOrSelfTestEventReceiver, kind: str, detail: Any, event_id: str = "e-1"
) -> dict[str, str]:
    event = {"id": event_id, "detail-type": kind, "detail": detail}
    return receiver.handle_event(event, self_test_arn="arn:test")


def test_an_event_joins_the_sync_that_is_under_way(
    receiver: SyncOrSelfTestEventReceiver, workflows: RunningForEver, account_id: AccountId
) -> None:
    detail = {"accountId": account_id}
    first = receive(receiver, SYNC, detail)

    assert receive(receiver, SYNC, detail, "e-2")["runId"] == first["runId"]
    assert workflows.started == [first["runId"]]


def test_an_event_that_comes_again_after_its_sync_starts_nothing(
    receiver: SyncOrSelfTestEventReceiver,
    runs: RunStore,
    workflows: RunningForEver,
    account_id: AccountId,
) -> None:
    detail = {"accountId": account_id, "syncType": "full"}
    first = receive(receiver, SYNC, detail)
    runs.fail_run(account_id, RunId(first["runId"]), "arn", "ExecutionDied", "It died.")

    again = receive(receiver, SYNC, detail)

    assert again == {"runId": first["runId"], "status": "failed"}
    assert len(workflows.started) == 1


def test_a_self_test_has_the_id_of_its_event(
    receiver: SyncOrSelfTestEventReceiver, workflows: RunningForEver
) -> None:
    assert receive(receiver, "test/sync", {}) == {"executionArn": "arn:test:e-1"}
    assert workflows.started == ["e-1"]


@pytest.mark.parametrize(
    ("kind", "detail", "reason"),
    [
        (SYNC, {}, "must have an accountId"),
        (SYNC, {"accountId": 7}, "must have an accountId"),
        (SYNC, ["accountId"], "must have an accountId"),
        (SYNC, {"accountId": "nonsense"}, "no account of this id"),
        (SYNC, {"accountId": "x", "syncType": []}, "syncType must be one of"),
        ("email/gmail.sync", {"accountId": "x"}, "the setting GOOGLE_CLIENT_ID is missing"),
        ("email/fax.sync", {}, "This detail type is unknown"),
    ],
)
def test_an_impossible_event_is_refused_and_logged_with_the_reason(
    receiver: SyncOrSelfTestEventReceiver,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    detail: Any,
    reason: str,
) -> None:
    refusal = receive(receiver, kind, detail)

    assert set(refusal) == {"refused"}
    assert reason in refusal["refused"]
    assert [vars(each)["reason"] for each in caplog.records] == [refusal["refused"]]


def test_an_account_of_another_provider_or_a_paused_one_is_refused(
    receiver: SyncOrSelfTestEventReceiver, database: Database, account_id: AccountId
) -> None:
    other = connect_account(database, "ben", ProviderName("imap"))
    rows(database, "UPDATE mailsync.email_accounts SET status = 'paused' WHERE user_id = 'ann'")

    refusals = [
        receive(receiver, SYNC, {"accountId": each})["refused"] for each in (other, account_id)
    ]

    assert "is a mailbox of imap" in refusals[0]
    assert "is paused" in refusals[1]
    assert one(database, "SELECT count(*) FROM mailsync.sync_runs") == [0]


def test_an_event_requests_a_sync_of_a_mailbox_over_imap(
    database: Database, runs: RunStore, workflows: RunningForEver
) -> None:
    account = connect_account(database, "ben", ProviderName("imap"))
    stage = Settings({"IMAP_SERVERS": "public"})
    trigger = SyncStarter(runs, workflows, MACHINE)
    receiver = SyncOrSelfTestEventReceiver(AccountStore(database), trigger, workflows, stage)

    started = receive(receiver, "email/imap.sync", {"accountId": account})
    refused = receive(receiver, SYNC, {"accountId": account})

    assert workflows.started == [started["runId"]]
    assert "MICROSOFT_CLIENT_ID" in refused["refused"] or "imap" in refused["refused"]


def test_an_event_of_a_provider_that_the_stage_does_not_sync_is_refused(
    database: Database, runs: RunStore, workflows: RunningForEver, account_id: AccountId
) -> None:
    trigger = SyncStarter(runs, workflows, MACHINE)
    receiver = SyncOrSelfTestEventReceiver(AccountStore(database), trigger, workflows, Settings({}))

    refused = receive(receiver, SYNC, {"accountId": account_id})["refused"]

    assert "the setting MICROSOFT_CLIENT_ID is missing" in refused
    assert workflows.started == []


def test_lambda_tries_again_when_the_database_is_unreachable(workflows: RunningForEver) -> None:
    away = Database(Settings({"DATABASE_URL": "postgresql://u@localhost:1/none"}))
    trigger = SyncStarter(RunStore(away), workflows, MACHINE)
    receiver = SyncOrSelfTestEventReceiver(AccountStore(away), trigger, workflows, STAGE)

    detail = {"accountId": "00000000-0000-4000-8000-000000000000"}
    with pytest.raises(StoreUnavailable):
        receive(receiver, SYNC, detail)
