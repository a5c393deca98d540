"""Published events keep to `docs/events/*.json`, and those name every event."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from infra import catalog
from mailsync.events.incoming import SELF_TEST_EVENT_TYPE
from mailsync.model import AccountId, RunId
from mailsync.registry import REGISTERED_PROVIDERS
from mailsync.store.connection import Database
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
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

    assert inbound == {
        SELF_TEST_EVENT_TYPE,
        *(each.sync_request_event_type for each in REGISTERED_PROVIDERS),
    }
    assert set(SCHEMAS) == {*inbound, *OUTBOUND}
    for each in SCHEMAS.values():
        Draft202012Validator.check_schema(each)


def test_the_sample_event_keeps_to_its_schema() -> None:
    event = json.loads((ROOT / "events" / "receive-event.json").read_text())

    check(event["detail-type"], event["detail"])


def test_each_outcome_is_one_event_as_its_schema_says(
    database: Database, account_id: AccountId
) -> None:
    runs = RunStore(database)
    complete_verified(database, begin_run(database, account_id, "verified"))
    assert not runs.complete_or_fail_run(begin_run(database, account_id, "no folder was verified"))
    begin_run(database, account_id, "stopped")
    AccountControlStore(database).cancel_open_run(AccountOfRequestingUser(account_id, "ann"))
    begin_run(database, account_id, "replaced")
    lapsed = "UPDATE mailsync.email_accounts SET lease_until = now() - interval '1 hour'"
    rows(database, lapsed)
    begin_run(database, account_id, "refused")
    for _ in range(2):
        runs.fail_run(account_id, RunId("refused"), "arn-refused", "AccessRevoked", "Sign in.")

    events = rows(database, "SELECT type, detail FROM mailsync.outbox ORDER BY id")

    for kind, detail in events:
        check(kind, detail)
    assert [(kind, each["runId"], each.get("error")) for kind, each in events] == [
        ("sync.completed", "verified", None),
        ("sync.failed", "no folder was verified", "VerificationFailed"),
        ("sync.cancelled", "stopped", None),
        ("sync.failed", "replaced", "LeaseLost"),
        ("sync.failed", "refused", "AccessRevoked"),
        ("account.reauth_required", "refused", "AccessRevoked"),
    ]
    assert events[0][1]["proven"] is True
    assert "ann@example.org" not in json.dumps(events)


def test_a_detail_with_another_field_is_invalid() -> None:
    with pytest.raises(ValidationError):
        check("sync.failed", {"emailAddress": "ann@example.org"})
