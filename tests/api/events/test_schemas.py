"""Published events keep to `docs/events/*.json`, and those name every event."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from infra import catalog
from localdev.engine.event_bus import EventBus as LocalBus
from mailsync.events.incoming import PROVIDER_BY_EVENT_TYPE, SELF_TEST_EVENT_TYPE
from mailsync.events.outgoing import EventBus, publish_outbox
from mailsync.model import AccountId, RunId
from mailsync.store.connection import Database
from mailsync.store.control_store import AccountOfCaller, ControlStore
from mailsync.store.outbox_store import OutboxStore
from mailsync.store.run_store import RunStore
from tests.api.syncs import begin_run
from tests.store.rows import rows
from tests.support.builders import complete_verified
from tests.support.paths import ROOT

SCHEMAS = {
    each["title"]: each
    for each in (json.loads(path.read_text()) for path in (ROOT / "docs" / "events").glob("*.json"))
}
OUTBOUND = ("sync.completed", "sync.failed", "sync.cancelled", "account.reauth_required")


def check(kind: str, detail: Any) -> None:
    """Raise ValidationError when the detail violates its schema."""
    Draft202012Validator(
        SCHEMAS[kind], format_checker=Draft202012Validator.FORMAT_CHECKER
    ).validate(detail)


def test_every_event_has_a_schema_and_every_rule_a_reader() -> None:
    inbound = {kind for each in catalog.EVENT_RULES for kind in each.detail_types}

    assert inbound == {*PROVIDER_BY_EVENT_TYPE, SELF_TEST_EVENT_TYPE}
    assert set(SCHEMAS) == {*inbound, *OUTBOUND}
    for each in SCHEMAS.values():
        Draft202012Validator.check_schema(each)


def test_the_sample_event_keeps_to_its_schema() -> None:
    event = json.loads((ROOT / "events" / "receive-event.json").read_text())

    check(event["detail-type"], event["detail"])


def test_each_outcome_is_published_once_as_its_schema_says(
    database: Database,
    account_id: AccountId,
    outbox: OutboxStore,
    bus: EventBus,
    local_bus: tuple[LocalBus, str],
) -> None:
    runs = RunStore(database)
    complete_verified(database, begin_run(database, account_id, "run-1"))
    assert not runs.complete(begin_run(database, account_id, "run-2")), (
        "no folder was verified in it"
    )
    begin_run(database, account_id, "run-3")
    for _ in range(2):
        runs.fail(account_id, RunId("run-3"), "arn-run-3", "AccessRevoked", "Sign in again.")
    before = len(local_bus[0].list_seen_events())

    publish_outbox(outbox, bus)

    events = local_bus[0].list_seen_events()[before:]
    for each in events:
        check(each["type"], each["detail"])
    assert [(each["type"], each["detail"]["runId"], outcome(each)) for each in events] == [
        ("sync.completed", "run-1", True),
        ("sync.failed", "run-2", "VerificationFailed"),
        ("sync.failed", "run-3", "AccessRevoked"),
        ("account.reauth_required", "run-3", "AccessRevoked"),
    ]
    assert "ann@example.org" not in json.dumps(events)


def outcome(event: Any) -> Any:
    """What is verified, or the name of the failure."""
    return event["detail"].get("proven", event["detail"].get("error"))


@pytest.mark.parametrize(
    ("event", "error"), [("sync.cancelled", "ExecutionStopped"), ("sync.failed", "LeaseLost")]
)
def test_a_run_that_was_stopped_or_replaced_is_reported_as_its_schema_says(
    account_id: AccountId, database: Database, event: str, error: str
) -> None:
    begin_run(database, account_id, "run-1")
    if event == "sync.cancelled":
        ControlStore(database).cancel_open_run(AccountOfCaller(account_id, "ann"))
    else:
        lapsed = "UPDATE mailsync.email_accounts SET lease_until = now() - interval '1 hour'"
        rows(database, lapsed)
        begin_run(database, account_id, "run-2")

    events = rows(database, "SELECT type, detail FROM mailsync.outbox")

    assert [(kind, each["runId"]) for kind, each in events] == [(event, "run-1")]
    assert events[0][1].get("error", error) == error
    check(*events[0])


def test_a_detail_with_another_field_is_invalid() -> None:
    with pytest.raises(ValidationError):
        check("sync.failed", {"emailAddress": "ann@example.org"})
