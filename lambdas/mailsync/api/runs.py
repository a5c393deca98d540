"""Define the routes of `/api/email/runs`: list the runs of an account, and show one run with its
folders."""

import re
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from mailsync.api.caller import caller_user_id
from mailsync.api.caller_account import require_caller_account
from mailsync.api.models import stored_error_to_failure_or_none
from mailsync.api.openapi_responses import describe_responses
from mailsync.api.paging import (
    PageCursorParameter,
    PageSizeParameter,
    decode_page_cursor,
    make_page_and_next_cursor,
)
from mailsync.api.problems import ApiError, Problem
from mailsync.api.run_models import RunDetail, RunFolderView, RunList, RunView
from mailsync.model import AccountId, RunId
from mailsync.store.connection import open_database
from mailsync.store.history_store import RunFolderRow, RunHistoryStore, RunRow

# Valid names of executions (AWS Step Functions API Reference, StartExecution).
_NAME = re.compile(r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,80}""")
_UNKNOWN = Problem(
    type_urn_suffix="run-not-found",
    http_status=404,
    title="Run not found",
    detail="You have no run with this id; list the runs of the account to find it.",
)

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get(
    "/api/email/runs",
    summary="List the syncs of an account, the newest first",
    operation_id="list_runs",
    responses=describe_responses({200: RunList}, 404, 422),
)
def list_runs(
    account_id: Annotated[UUID, Query(alias="accountId")],
    limit: PageSizeParameter = 20,
    cursor: PageCursorParameter = None,
) -> RunList:
    before = decode_page_cursor(cursor, _run_name)
    user = caller_user_id(router.current_event)
    account = AccountId(str(account_id))
    rows = RunHistoryStore(open_database()).runs_of_account(account, user, before, limit + 1)
    if not rows:
        require_caller_account(account, user)
    page, next_cursor = make_page_and_next_cursor(rows, limit, lambda row: (row.created_at, row.id))
    return RunList(runs=tuple(_view(each) for each in page), next_cursor=next_cursor)


@router.get(
    "/api/email/runs/<runId>",
    summary="Show a sync with its work in each folder",
    operation_id="get_run",
    responses=describe_responses({200: RunDetail}, 404),
)
def show_run(run_id: Annotated[str, Path(alias="runId")]) -> RunDetail:
    try:
        name = RunId(_run_name(run_id))
    except ValueError:
        raise ApiError(_UNKNOWN) from None
    found = RunHistoryStore(open_database()).run_with_folders(
        name, caller_user_id(router.current_event)
    )
    if found is None:
        raise ApiError(_UNKNOWN)
    return RunDetail(
        **_view(found.run_row).model_dump(),
        steps=tuple(_run_folder(each) for each in found.run_folders),
        next_sync_at=found.next_sync_at,
    )


def _run_name(text: str) -> str:
    """Validate the id of a run and return it unchanged.

    Raises:
        ValueError: `text` is not a valid id of a run.
    """
    if not _NAME.fullmatch(text):
        raise ValueError(text)
    return text


def _view(run: RunRow) -> RunView:
    return RunView(
        run_id=run.id,
        account_id=run.account_id,
        status=run.status,
        sync_type=run.sync_type,
        folders=tuple(run.folder_ids) if run.folder_ids else None,
        trigger=run.trigger_name,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        requests=run.request_count,
        repair_rounds=run.repair_round_count,
        error=stored_error_to_failure_or_none(run.error_name, run.error_message),
    )


def _run_folder(step: RunFolderRow) -> RunFolderView:
    return RunFolderView(
        folder_id=step.folder_id,
        display_name=step.display_name,
        role=step.role,
        status=step.status,
        attempts=step.attempts,
        pages=step.page_count,
        requests=step.requests,
        inserted=step.inserted,
        updated=step.updated,
        unchanged=step.unchanged,
        removed=step.removed,
        quarantined=step.quarantined,
        resets=step.full_sync_restart_count,
        error=stored_error_to_failure_or_none(step.error, step.error_message),
        started_at=step.started_at,
        finished_at=step.finished_at,
    )
