"""Define the routes of `/api/email/sync`: start or join a sync, stop it, and show the sync status
of an account."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from mailsync.api.audit import write_audit_record
from mailsync.api.caller import api_base_url, caller_user_id
from mailsync.api.caller_account import make_account_not_found_error, make_cannot_sync_error
from mailsync.api.etag import add_etag_to_response
from mailsync.api.models import SyncAccepted, SyncRequest, SyncStopped
from mailsync.api.openapi_responses import describe_responses
from mailsync.api.problems import ApiError, Problem, make_unknown_folder_problem
from mailsync.api.rate_limits import RateLimitedCall, count_against_rate_limit
from mailsync.api.status_models import SyncStatusView
from mailsync.api.sync_status import to_sync_status_view
from mailsync.errors import AccountNotConnected, SettingMissing
from mailsync.log import logger
from mailsync.model import AccountId, ProviderName, SyncType, SyncTypeAndFolders
from mailsync.registry import implemented_providers
from mailsync.runs.trigger import create_sync_starter
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from mailsync.store.run_store import EnqueuedOrExistingRun, RunStore
from mailsync.store.status_store import AccountStatus, StatusStore

SYNC_PATH = "/api/email/sync"
STATUS_POLL_INTERVAL_S = 2

_MESSAGES = {
    "queued": "Sync started.",
    "running": "A sync of this mailbox was already running; the request joined it.",
}
_OTHER_SCOPE = (
    "A sync of this mailbox with another scope was already running; the request joined it. Send the"
    " request again when that sync has ended."
)
_ENDED = "The sync that this Idempotency-Key started or joined has ended."
_KEY_REUSED = Problem(
    type_urn_suffix="idempotency-key-reused",
    http_status=422,
    title="The Idempotency-Key was used for another request",
    detail="An earlier request with this Idempotency-Key had another body, so no sync was started;"
    " send a new key.",
)

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.post(
    SYNC_PATH,
    summary="Start a sync, or join the running sync",
    operation_id="start_sync",
    description="An Idempotency-Key identifies the run that it started or joined. A request that"
    " repeats the key with the same body within a day returns that run, whatever its status. A"
    " request that repeats the key with another body is rejected (422).",
    responses=describe_responses({202: SyncAccepted}, 400, 404, 409, 413, 415, 422),
)
def start_sync(
    request: SyncRequest,
    idempotency_key: Annotated[
        str | None,
        Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[^\x00]+$"),
    ] = None,
) -> Response[SyncAccepted]:
    settings, scope, user = (
        load_settings(),
        request.to_sync_scope(),
        caller_user_id(router.current_event),
    )
    count_against_rate_limit(user, RateLimitedCall.SYNC)
    if scope.sync_type is SyncType.FULL:
        count_against_rate_limit(user, RateLimitedCall.FULL_SYNC)
    account = _caller_account(request.account_id)
    run = _run(account, scope, idempotency_key)
    if run.sync_scope_of_idempotency_key not in (None, scope):
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
    operation_id="stop_sync",
    description="Stored mail stays. The next sync starts by itself after the usual interval and"
    " resumes where this sync stopped. If no sync is running, the request has no effect.",
    responses=describe_responses({200: SyncStopped}, 404, 422),
)
def stop_sync(account_id: Annotated[UUID, Query(alias="accountId")]) -> SyncStopped:
    account = AccountOfRequestingUser(
        AccountId(str(account_id)), caller_user_id(router.current_event)
    )
    count_against_rate_limit(account.user_id, RateLimitedCall.ACCOUNT_CONTROL)
    run_id = AccountControlStore(open_database()).cancel_open_run(account)
    if run_id is None:
        return SyncStopped(
            account_id=account.account_id, run_id=None, message="No sync was running."
        )
    create_sync_starter().stop_execution_of_closed_run(run_id)
    event = router.current_event
    write_audit_record(
        event, "sync_stopped", account.user_id, account_id=account.account_id, run_id=run_id
    )
    message = "The sync was stopped; stored mail stays."
    return SyncStopped(account_id=account.account_id, run_id=run_id, message=message)


@router.get(
    SYNC_PATH,
    middlewares=[add_etag_to_response],
    summary="Show the sync status of an account",
    operation_id="get_sync_status",
    responses=describe_responses({200: SyncStatusView, 304: None}, 404, 422),
)
def show_sync_status(
    account_id: Annotated[UUID, Query(alias="accountId")],
) -> Response[SyncStatusView]:
    view = to_sync_status_view(_caller_account(account_id), datetime.now(UTC))
    headers: dict[str, str | list[str]] = (
        {"Retry-After": str(STATUS_POLL_INTERVAL_S)} if view.run_id is not None else {}
    )
    return Response(HTTPStatus.OK, APPLICATION_JSON, view, headers)


def _run(
    account: AccountStatus, scope: SyncTypeAndFolders, key: str | None
) -> EnqueuedOrExistingRun:
    """Start a run, or join the open run of the account; return the run. If the Idempotency-Key
    `key` was used before, return the run of the earlier request.

    Raises:
        AccountNotConnected, ApiError: the account cannot be synced now, and the key was not used
            before.
    """
    try:
        _require_syncable(account, scope)
    except (AccountNotConnected, ApiError):
        earlier = (
            RunStore(open_database()).find_run_of_idempotency_key(account.id, key) if key else None
        )
        if earlier is None:
            raise
        return earlier
    return create_sync_starter().start_sync(account.id, scope, "api", key)


def _caller_account(account_id: UUID) -> AccountStatus:
    """Return the caller's account.

    Raises:
        AccountNotFound: there is no such account, or it belongs to another user.
    """
    store = StatusStore(open_database())
    account = store.status_of_account(
        AccountId(str(account_id)), caller_user_id(router.current_event)
    )
    if account is None:
        raise make_account_not_found_error()
    return account


def _message(run: EnqueuedOrExistingRun, scope: SyncTypeAndFolders) -> str:
    if run.status in _MESSAGES and scope.sync_type is SyncType.FULL and run.sync_scope != scope:
        return _OTHER_SCOPE
    return _MESSAGES.get(run.status, _ENDED)


def _require_syncable(account: AccountStatus, scope: SyncTypeAndFolders) -> None:
    """Raise an error unless the account can be synced with this scope.

    Raises:
        AccountNotConnected: the account is not active, its provider cannot be synced yet, or the
            provider is off in this stage.
        ApiError: the account has no folder with one of the scope's ids (422).
    """
    if account.status != "active":
        raise make_cannot_sync_error(account.status)
    if account.provider not in {each.provider_name for each in implemented_providers()}:
        raise AccountNotConnected(
            f"Mailboxes of {account.provider} cannot be synced yet, so no mail is stored; connect a"
            " mailbox of another provider."
        )
    try:
        load_settings().require_provider_is_enabled(ProviderName(account.provider))
    except SettingMissing as error:
        raise AccountNotConnected(str(error)) from None
    if unknown := {*scope.folder_ids} - {each.id for each in account.folders}:
        raise ApiError(make_unknown_folder_problem(unknown))
