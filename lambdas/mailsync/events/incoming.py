"""What an event on the bus asks for, and why one that asks wrongly is refused.

EventBridge delivers at least once. The id of an event is the idempotency key of its run, or the
name of its self-test, so one that comes twice starts nothing twice. What can never work is
refused in words and not raised: Lambda would only try it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailsync.errors import AccountNotConnected, AccountNotFound
from mailsync.log import logger
from mailsync.model import SYNCABLE_PROVIDERS, AccountId, Provider, SyncScope, SyncType
from mailsync.runs.step_functions import StepFunctions
from mailsync.runs.trigger import Trigger
from mailsync.store.account_store import AccountStore

SELF_TEST = "test/sync"
PROVIDERS = {
    "email/microsoft.sync": Provider.MICROSOFT,
    "email/gmail.sync": Provider.GOOGLE,
    "email/imap.sync": Provider.IMAP,
}


@dataclass(frozen=True, slots=True)
class RequestedSync:
    """A sync that an event asks for."""

    account_id: AccountId
    sync_type: SyncType
    provider: Provider


@dataclass(frozen=True, slots=True)
class InvalidEvent:
    """`reason` is a sentence for whoever sent the event; it repeats nothing that he sent."""

    reason: str


def read_request(kind: str, detail: Any) -> RequestedSync | InvalidEvent:
    """The sync that an event of this detail type asks for; `manual` when it does not say which."""
    provider = PROVIDERS.get(kind)
    if provider is None:
        return InvalidEvent("No function answers events of this detail type.")
    if provider not in SYNCABLE_PROVIDERS:
        return InvalidEvent(f"Mailboxes of {provider} cannot be synced yet.")
    requested = detail if isinstance(detail, dict) else {}
    account_id, sync_type = requested.get("accountId"), requested.get("syncType", SyncType.MANUAL)
    if not isinstance(account_id, str):
        return InvalidEvent("The detail must have an accountId, the uuid of an account.")
    if sync_type not in list(SyncType):
        return InvalidEvent(f"The syncType must be one of {', '.join(SyncType)}.")
    return RequestedSync(AccountId(account_id), SyncType(sync_type), provider)


class Receiver:
    """Answers events; what has to be tried again is raised, as StoreUnavailable or by boto3."""

    def __init__(
        self, accounts: AccountStore, trigger: Trigger, step_functions: StepFunctions
    ) -> None:
        self._accounts = accounts
        self._trigger = trigger
        self._step_functions = step_functions

    def answer(self, event: Mapping[str, Any], *, self_test_arn: str) -> dict[str, str]:
        """`runId` and `status` of the run, `executionArn` of the self-test, or `refused`."""
        event_id, kind = str(event["id"]), str(event["detail-type"])
        if kind == SELF_TEST:
            arn = self._step_functions.start(self_test_arn, event_id, {})
            logger.info("self_test_started", execution=event_id)
            return {"executionArn": arn}
        outcome: RequestedSync | InvalidEvent | dict[str, str]
        outcome = read_request(kind, event.get("detail"))
        if isinstance(outcome, RequestedSync):
            outcome = self._start(outcome, event_id)
        if isinstance(outcome, InvalidEvent):
            logger.warning("event_refused", event_id=event_id, reason=outcome.reason)
            return {"refused": outcome.reason}
        return outcome

    def _start(self, requested: RequestedSync, event_id: str) -> dict[str, str] | InvalidEvent:
        try:
            account = self._accounts.active_account(requested.account_id)
        except (AccountNotFound, AccountNotConnected) as cannot:
            return InvalidEvent(str(cannot))
        if account.provider != requested.provider:
            return InvalidEvent(
                f"The account is one of {account.provider}; send the event of that name."
            )
        run = self._trigger.sync(
            account.id, SyncScope(requested.sync_type), "event", f"event:{event_id}"
        )
        logger.info("sync_asked", account_id=account.id, run_id=run.id, status=run.status)
        return {"runId": run.id, "status": run.status}
