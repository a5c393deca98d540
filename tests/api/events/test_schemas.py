"""Events as they are really produced keep to `docs/events/*.json`, and those name every event."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from infra import catalog
from localdev.engine.event_bus import EventBus as LocalBus
from mailsync.events.incoming import PROVIDER_BY_EVENT_TYPE, SELF_TEST_EVENT_TYPE
from mailsync.events.outgoing import EventBus, publish_outbox
from mailsync.model import AccountId, RunId, RunRef, SyncType
from mailsync.store.connection import Database
from mailsync.store.control_store import AccountOfCaller, ControlStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.outbox_store import OutboxStore
from mailsync.store.run_store import RunStore
from tests.store.rows import rows
from tests.support.builders import complete_verified
from tests.support.paths import ROOT

SCHEMAS = {
    each["title"]: each
    for each in (json.loads(path.read_text()) for path in (ROOT / "docs" / "events").glob("*.json"))
}
OUTBOUND = ("sync.completed", "sync.failed", "sync.cancelled", "account.reauth_required")


def check(kind: str, detail: Any) -> None:
    """Raises ValidationError when the detail is not as its schema says."""
    Draft202012Validator(
        SCHEMAS[kind], format_checker=Draft202012Validator.FORMAT_CHECKER
    ).validate(detail)


def run_of(database: Database, account_id: AccountId, name: str) -> RunRef:
    epoch = LeaseStore(database).begin(
        account_id, RunId(name), f"arn-{name}", SyncType.MANUAL, "test"
    )
    assert epoch is not None
    return RunRef(account_id, RunId(name), epoch)


def test_every_event_has_a_schema_and_every_rule_a_reader() -> None:
    inbound = {kind for each in catalog.EVENT_RULES for kind in each.detail_types}

    assert inbound == {*PROVIDER_BY_EVENT_TYPE, SELF_TEST_EVENT_TYPE}
    assert set(SCHEMAS) == {*inbound, *OUTBOUND}
    for each in SCHEMAS.values():
        Draft202012Validator.check_schema(each)


def test_the_sample_event_keeps_to_its_schema() -> None:
    event = json.loads((ROOT / "events" / "receive-event.json").read_text())

    check(event["detail-type"], event["detail"])


def test_each_outcome_is_told_once_as_its_schema_says(
    database: Database,
    account_id: AccountId,
    outbox: OutboxStore,
    bus: EventBus,
    local_bus: tuple[LocalBus, str],
) -> None:
    runs = RunStore(database)
    complete_verified(database, run_of(database, account_id, "run-1"))
    assert not runs.complete(run_of(database, account_id, "run-2")), "no folder was verified in it"
    run_of(database, account_id, "run-3")
    for _ in range(2):
        runs.fail(account_id, RunId("run-3"), "arn-run-3", "AccessRevoked", "Sign in again.")
    before = len(local_bus[0].seen())

    publish_outbox(outbox, bus)

    told = local_bus[0].seen()[before:]
    for each in told:
        check(each["type"], each["detail"])
    assert [(each["type"], each["detail"]["runId"], outcome(each)) for each in told] == [
        ("sync.completed", "run-1", True),
        ("sync.failed", "run-2", "VerificationFailed"),
        ("sync.failed", "run-3", "AccessRevoked"),
        ("account.reauth_required", "run-3", "AccessRevoked"),
    ]
    assert "ann@example.org" not in json.dumps(told)


def outcome(event: Any) -> Any:
    """What is proven, or the name of the failure."""
    return event["detail"].get("proven", event["detail"].get("error"))


def test_a_stopped_run_is_told_as_its_schema_says(
    runs: RunStore, account_id: AccountId, database: Database
) -> None:
    run_of(database, account_id, "run-1")
    ControlStore(database).cancel(AccountOfCaller(account_id, "ann"))

    told = rows(database, "SELECT type, detail FROM mailsync.outbox")

    assert [(kind, each["runId"]) for kind, each in told] == [("sync.cancelled", "run-1")]
    check(*told[0])


def test_a_run_whose_mailbox_was_taken_over_is_told_as_failed(
    runs: RunStore, account_id: AccountId, database: Database
) -> None:
    run_of(database, account_id, "run-1")
    rows(database, "UPDATE mailsync.email_accounts SET lease_until = now() - interval '1 hour'")
    run_of(database, account_id, "run-2")

    told = rows(database, "SELECT type, detail FROM mailsync.outbox")

    assert [(kind, each["runId"], each["error"]) for kind, each in told] == [
        ("sync.failed", "run-1", "LeaseLost")
    ]
    check(*told[0])


def test_a_detail_with_anything_more_would_be_noticed() -> None:
    with pytest.raises(ValidationError):
        check("sync.failed", {"emailAddress": "ann@example.org"})
