"""Routes of `/api/email/sync`: start or join the sync of a mailbox, and see how it stands."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from mailsync.api.audit import audit
from mailsync.api.caller import api_base_url, caller_user_id
from mailsync.api.caller_account import account_not_found, cannot_sync_error
from mailsync.api.etag import add_etag
from mailsync.api.models import SyncAccepted, SyncRequest, SyncStopped
from mailsync.api.openapi_responses import responses
from mailsync.api.problems import ApiError, Problem, unknown_folder_problem
from mailsync.api.rate_limits import LimitedCall, count_call
from mailsync.api.status_models import SyncStatusView
from mailsync.api.sync_status import SYNCING, to_view
from mailsync.errors import AccountNotConnected
from mailsync.log import logger
from mailsync.model import SYNCABLE, AccountId, SyncScope, SyncType
from mailsync.runs.trigger import open_trigger
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.control_store import AccountOfCaller, ControlStore
from mailsync.store.run_store import OpenRun, RunStore
from mailsync.store.status_store import AccountStatus, StatusStore

SYNC_PATH = "/api/email/sync"
POLL_INTERVAL_S = 2

_MESSAGES = {
    "queued": "Sync started.",
    "running": "A sync of this mailbox is running already; this is the one.",
}
_OTHER_RUNS = (
    "A sync of this mailbox is running already; this is the one, but it was asked for something"
    " else. Ask again when it has ended."
)
_ENDED = "The sync that this Idempotency-Key started or joined has ended."
_KEY_REUSED = Problem(
    kind="idempotency-key-reused",
    status=422,
    title="The Idempotency-Key was used for another request",
    detail="This Idempotency-Key was sent with another body before; send a new key.",
)

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.post(
    SYNC_PATH,
    summary="Start a sync, or join the one that is under way",
    description="A key belongs to the run that it started or joined: sent again with the same body,"
    " within a day, it is answered with that run, whatever has become of it, and with another body"
    " it is refused.",
    responses=responses({202: SyncAccepted}, 400, 404, 409, 413, 415, 422),
)
def start_sync(
    asked: SyncRequest,
    idempotency_key: Annotated[
        str | None,
        Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[^\x00]+$"),
    ] = None,
) -> Response[SyncAccepted]:
    settings, scope, user = load_settings(), asked.scope(), caller_user_id(router.current_event)
    count_call(user, LimitedCall.SYNC)
    if scope.sync_type is SyncType.FULL:
        count_call(user, LimitedCall.FULL_SYNC)
    account = _caller_account(asked.account_id)
    run = _run(account, scope, idempotency_key)
    if run.first_scope not in (None, scope):
        raise ApiError(_KEY_REUSED)
    logger.info("sync_asked", account_id=account.id, run_id=run.id, status=run.status)
    status_url = f"{api_base_url(router.current_event, settings)}{SYNC_PATH}?accountId={account.id}"
    accepted = SyncAccepted(
        run_id=run.id,
        execution_arn=run.execution_arn or "",
        status=run.status,
        status_url=status_url,
        message=_message(run, scope),
    )
    return Response(HTTPStatus.ACCEPTED, APPLICATION_JSON, accepted, {"Location": status_url})


@router.delete(
    SYNC_PATH,
    summary="Stop the running sync",
    description="What is stored stays, and the next sync goes on where this one stopped; it comes"
    " by itself after the usual interval. When no sync is running, nothing happens.",
    responses=responses({200: SyncStopped}, 404, 422),
)
def stop_sync(account_id: Annotated[UUID, Query(alias="accountId")]) -> SyncStopped:
    own = AccountOfCaller(AccountId(str(account_id)), caller_user_id(router.current_event))
    count_call(own.user_id, LimitedCall.CONTROL)
    run_id = ControlStore(open_database()).cancel(own)
    if run_id is None:
        return SyncStopped(account_id=own.id, run_id=None, message="No sync was running.")
    open_trigger().stop(run_id)
    event = router.current_event
    audit(event, "sync_stopped", own.user_id, account_id=own.id, run_id=run_id)
    message = "The sync was stopped; what is stored stays."
    return SyncStopped(account_id=own.id, run_id=run_id, message=message)


@router.get(
    SYNC_PATH,
    middlewares=[add_etag],
    summary="Show how the sync of an account stands",
    responses=responses({200: SyncStatusView, 304: None}, 404, 422),
)
def sync_status(account_id: Annotated[UUID, Query(alias="accountId")]) -> Response[SyncStatusView]:
    view = to_view(_caller_account(account_id), datetime.now(UTC))
    waits = view.status == SYNCING or view.run_id is not None
    headers: dict[str, str | list[str]] = {"Retry-After": str(POLL_INTERVAL_S)} if waits else {}
    return Response(HTTPStatus.OK, APPLICATION_JSON, view, headers)


def _run(account: AccountStatus, scope: SyncScope, key: str | None) -> OpenRun:
    """A key that was answered before is answered again, whatever now is against a new run."""
    try:
        _require_possible(account, scope)
    except (AccountNotConnected, ApiError):
        before = RunStore(open_database()).run_of_key(account.id, key) if key else None
        if before is None:
            raise
        return before
    return open_trigger().sync(account.id, scope, "api", key)


def _caller_account(account_id: UUID) -> AccountStatus:
    """Raises AccountNotFound, in the same way whether it is missing or another user's."""
    store = StatusStore(open_database())
    account = store.status(AccountId(str(account_id)), caller_user_id(router.current_event))
    if account is None:
        raise account_not_found()
    return account


def _message(run: OpenRun, scope: SyncScope) -> str:
    if run.status in _MESSAGES and scope.sync_type is SyncType.FULL and run.scope != scope:
        return _OTHER_RUNS
    return _MESSAGES.get(run.status, _ENDED)


def _require_possible(account: AccountStatus, scope: SyncScope) -> None:
    """Raises AccountNotConnected, and ApiError for folders that are not the account's."""
    if account.status != "active":
        raise cannot_sync_error(account.status)
    if account.provider not in SYNCABLE:
        raise AccountNotConnected(
            f"Mailboxes of {account.provider} cannot be synced yet; connect one of Microsoft 365."
        )
    if unknown := {*scope.folder_ids} - {each.id for each in account.folders}:
        raise ApiError(unknown_folder_problem(unknown))
