"""Routes of `/api/email/sync`: start or join the sync of a mailbox, and see how it stands."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from mailsync.api.caller import base_url, user_id
from mailsync.api.etag import etag
from mailsync.api.models import SyncAccepted, SyncRequest, SyncStatusView
from mailsync.api.sync_status import SYNCING, show
from mailsync.errors import AccountNotConnected, AccountNotFound
from mailsync.log import logger
from mailsync.model import AccountId, Provider
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore
from mailsync.store.status_store import AccountStatus, StatusStore
from mailsync.workflow import Trigger, Workflows

PATH = "/api/email/sync"
POLL_AGAIN_S = 2
SYNCABLE = frozenset({Provider.MICROSOFT})

_CANNOT_SYNC = {
    "reauth_required": "The mail provider refuses access; connect the mailbox again.",
    "paused": "The account is paused; resume it first.",
    "disconnected": "The account is disconnected; connect the mailbox again.",
}
_MESSAGES = {
    "queued": "Sync started.",
    "running": "A sync of this mailbox is running already; this is the one.",
}
_ENDED = "The sync that this Idempotency-Key started has ended."

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.post(PATH)
def start_sync(
    asked: SyncRequest,
    idempotency_key: Annotated[
        str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)
    ] = None,
) -> Response[SyncAccepted]:
    account = _own_account(asked.account_id)
    _require_syncable(account)
    settings = load_settings()
    trigger = Trigger(RunStore(open_database()), Workflows(), settings.mailbox_sync_arn)
    run = trigger.sync(account.id, asked.sync_type, "api", idempotency_key)
    logger.info("sync_asked", account_id=account.id, run_id=run.id, status=run.status)
    status_url = f"{base_url(router.current_event, settings)}{PATH}?accountId={account.id}"
    accepted = SyncAccepted(
        run_id=run.id,
        execution_arn=run.execution_arn or "",
        status=run.status,
        status_url=status_url,
        message=_MESSAGES.get(run.status, _ENDED),
    )
    return Response(HTTPStatus.ACCEPTED, APPLICATION_JSON, accepted, {"Location": status_url})


@router.get(PATH, middlewares=[etag])
def sync_status(account_id: Annotated[UUID, Query(alias="accountId")]) -> Response[SyncStatusView]:
    view = show(_own_account(account_id), datetime.now(UTC))
    waits = view.status == SYNCING or view.run_id is not None
    headers: dict[str, str | list[str]] = {"Retry-After": str(POLL_AGAIN_S)} if waits else {}
    return Response(HTTPStatus.OK, APPLICATION_JSON, view, headers)


def _own_account(account_id: UUID) -> AccountStatus:
    """Raises AccountNotFound, in the same way whether it is missing or another user's."""
    store = StatusStore(open_database())
    account = store.status(AccountId(str(account_id)), user_id(router.current_event))
    if account is None:
        raise AccountNotFound("The user has no account of this id.")
    return account


def _require_syncable(account: AccountStatus) -> None:
    if account.status != "active":
        raise AccountNotConnected(_CANNOT_SYNC[account.status])
    if account.provider not in SYNCABLE:
        raise AccountNotConnected(
            f"Mailboxes of {account.provider} cannot be synced yet; connect one of Microsoft 365."
        )
