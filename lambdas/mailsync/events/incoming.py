"""Receive events from the event bus that request a sync or the self-test.

EventBridge delivers an event at least once. The idempotency key of the run that an event starts
contains the event's id, and the execution of the self-test has the event's id as its name. So a
second delivery of the same event starts nothing. An invalid event is logged and raises no error:
after an error Lambda would retry the event in vain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailsync.errors import AccountNotConnected, AccountNotFound, SettingMissing
from mailsync.log import logger
from mailsync.model import AccountId, ProviderName, SyncType, SyncTypeAndFolders
from mailsync.registry import find_provider_of_sync_event
from mailsync.runs.step_functions import StepFunctions
from mailsync.runs.trigger import SyncStarter
from mailsync.settings import Settings
from mailsync.store.account_store import AccountStore

SELF_TEST_EVENT_TYPE = "test/sync"


@dataclass(frozen=True, slots=True)
class RequestedSync:
    """The sync that an event requests."""

    account_id: AccountId
    sync_type: SyncType
    provider: ProviderName


@dataclass(frozen=True, slots=True)
class InvalidEventResult:
    """An event of the bus that is malformed or requests a sync that cannot start.

    reason: why the event is invalid, as a text for its sender. The text repeats no value of the
        event.
    """

    reason: str


def parse_event(kind: str, detail: Any, settings: Settings) -> RequestedSync | InvalidEventResult:
    """Return the sync that an event requests, or an InvalidEventResult with the reason why the
    event is invalid. An event without `syncType` requests a sync of the type `manual`.

    Args:
        kind: the detail type of the event.
        detail: the detail of the event, not validated yet.
    """
    registration = find_provider_of_sync_event(kind)
    if registration is None:
        return InvalidEventResult("This detail type is unknown, so no sync was started.")
    provider = registration.provider_name
    if registration.implementation_module is None:
        return InvalidEventResult(
            f"Mailboxes of {provider} cannot be synced yet; connect another one."
        )
    try:
        settings.require_provider_is_enabled(provider)
    except SettingMissing as error:
        return InvalidEventResult(str(error))
    requested = detail if isinstance(detail, dict) else {}
    account_id, sync_type = requested.get("accountId"), requested.get("syncType", SyncType.MANUAL)
    if not isinstance(account_id, str):
        return InvalidEventResult("The detail must have an accountId, the uuid of an account.")
    if sync_type not in list(SyncType):
        return InvalidEventResult(f"The syncType must be one of {', '.join(SyncType)}.")
    return RequestedSync(AccountId(account_id), SyncType(sync_type), provider)


class SyncOrSelfTestEventReceiver:
    """Starts the sync or the self-test that an event requests.

    `handle_event` raises:
        SettingMissing, StoreUnavailable, AwsError: Lambda must retry the event.
    """

    def __init__(
        self,
        accounts: AccountStore,
        trigger: SyncStarter,
        step_functions: StepFunctions,
        settings: Settings,
    ) -> None:
        self._accounts = accounts
        self._trigger = trigger
        self._step_functions = step_functions
        self._settings = settings

    def handle_event(self, event: Mapping[str, Any], *, self_test_arn: str) -> dict[str, str]:
        """Start the sync or the self-test that the event requests.

        Return `runId` and `status` of the sync's run, or `executionArn` of the self-test, or
        `refused` with the reason if the event is invalid.

        event: the event as EventBridge delivers it.
        self_test_arn: ARN of the state machine of the self-test.
        """
        event_id, kind = str(event["id"]), str(event["detail-type"])
        if kind == SELF_TEST_EVENT_TYPE:
            arn = self._step_functions.start_execution(self_test_arn, event_id, {})
            logger.info("self_test_started", execution=event_id)
            return {"executionArn": arn}
        outcome: RequestedSync | InvalidEventResult | dict[str, str]
        outcome = parse_event(kind, event.get("detail"), self._settings)
        if isinstance(outcome, RequestedSync):
            outcome = self._start(outcome, event_id)
        if isinstance(outcome, InvalidEventResult):
            logger.warning("event_refused", event_id=event_id, reason=outcome.reason)
            return {"refused": outcome.reason}
        return outcome

    def _start(
        self, requested: RequestedSync, event_id: str
    ) -> dict[str, str] | InvalidEventResult:
        try:
            account = self._accounts.read_active_account(requested.account_id)
        except (AccountNotFound, AccountNotConnected) as error:
            return InvalidEventResult(str(error))
        if account.provider != requested.provider:
            return InvalidEventResult(
                f"The account is a mailbox of {account.provider}, so no sync was started; send the"
                " event type of that provider."
            )
        run = self._trigger.start_sync(
            account.id, SyncTypeAndFolders(requested.sync_type), "event", f"event:{event_id}"
        )
        logger.info("sync_asked", account_id=account.id, run_id=run.id, status=run.status)
        return {"runId": run.id, "status": run.status}
