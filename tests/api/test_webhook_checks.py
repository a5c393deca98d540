"""A genuine notification has its mailbox checked at once; nothing else invokes a function."""

from collections.abc import Mapping
from typing import Any

import pytest

from mailsync.decisions.due import MAX_WORKERS_FOR_NOTIFIED_MAILBOXES
from mailsync.model import AccountId
from mailsync.runs.batches import SyncAccountsLambdaClient
from mailsync.store.connection import Database
from mailsync.store.queue_store import NotifiedMailboxQueueStore
from tests.api.requests import Api
from tests.api.test_webhooks import FORGED, a_notification, account_id, api, notify

__all__ = ["account_id", "api"]
Events = list[Mapping[str, Any]]
pytestmark = pytest.mark.usefixtures("account_id")


@pytest.fixture(autouse=True)
def events(environment: pytest.MonkeyPatch) -> Events:
    """The events of the function that checks mailboxes."""
    found: Events = []
    environment.setenv("SYNC_ACCOUNTS_ARN", "arn")
    environment.setattr(
        SyncAccountsLambdaClient, "invoke_async", lambda _, event: found.append(event)
    )
    return found


def claim(database: Database, event: Mapping[str, Any]) -> tuple[AccountId, ...]:
    return NotifiedMailboxQueueStore(database).claim_notified_mailboxes(event["holder"], 10)


def test_the_event_names_a_slot_with_which_the_mailbox_is_claimed(
    api: Api, events: Events, database: Database, account_id: AccountId
) -> None:
    notify(api, a_notification())

    [event] = events
    assert set(event) == {"holder"}
    assert claim(database, event) == (account_id,)


def test_a_forged_notification_starts_no_check(api: Api, events: Events) -> None:
    for forged in FORGED:
        notify(api, a_notification(**forged))

    assert events == []


def test_lifecycle_events_start_a_check_if_they_report_lost_notifications(
    api: Api, events: Events
) -> None:
    notify(api, a_notification(lifecycleEvent="reauthorizationRequired"))
    assert events == []

    notify(api, a_notification(lifecycleEvent="missed"))
    assert len(events) == 1


def test_a_thousand_are_one_check_and_few_invocations(
    api: Api, events: Events, database: Database, account_id: AccountId
) -> None:
    for _ in range(20):
        notify(api, *[a_notification(id=str(each)) for each in range(50)])

    assert 1 <= len(events) <= MAX_WORKERS_FOR_NOTIFIED_MAILBOXES
    assert [each for event in events for each in claim(database, event)] == [account_id]


def test_a_rejected_invocation_leaves_the_mailbox_to_the_tick_and_the_slot_to_others(
    api: Api, environment: pytest.MonkeyPatch, database: Database
) -> None:
    def reject(*_: object) -> None:
        raise ConnectionResetError

    environment.setattr(SyncAccountsLambdaClient, "invoke_async", reject)

    for _ in range(MAX_WORKERS_FOR_NOTIFIED_MAILBOXES + 1):
        assert notify(api, a_notification()).status == 202

    assert NotifiedMailboxQueueStore(database).take_slot_for_new_worker()


def test_a_stage_without_the_functions_name_leaves_the_mailbox_to_the_tick(
    api: Api, events: Events, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("SYNC_ACCOUNTS_ARN")

    assert notify(api, a_notification()).status == 202
    assert events == []
