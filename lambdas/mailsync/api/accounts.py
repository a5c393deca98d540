"""Define the routes of `/api/email/accounts`: list accounts, show or pause an account, and select
the folders to mirror."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Path
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from mailsync.api.account_models import (
    AccountDetail,
    AccountList,
    AccountPatch,
    AccountView,
    DifferenceView,
    Notifications,
)
from mailsync.api.audit import write_audit_record
from mailsync.api.caller import caller_user_id
from mailsync.api.caller_account import make_cannot_sync_error, require_caller_account
from mailsync.api.models import stored_error_to_failure_or_none
from mailsync.api.openapi_responses import describe_responses
from mailsync.api.paging import (
    PageCursorParameter,
    PageSizeParameter,
    decode_page_cursor,
    make_page_and_next_cursor,
)
from mailsync.api.problems import ApiError, Problem, make_unknown_folder_problem
from mailsync.api.rate_limits import RateLimitedCall, count_against_rate_limit
from mailsync.api.removal_models import (
    RemovalConfirmed,
    to_pending_removal,
    to_pending_removal_or_none,
)
from mailsync.api.sync_status import to_folder_selection
from mailsync.decisions.verify import ListingContradictionKind
from mailsync.model import AccountId, FolderId, RunId
from mailsync.runs.trigger import create_sync_starter
from mailsync.store.account_store import AccountRow, AccountStore, ListingContradictionRow
from mailsync.store.connection import open_database
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from mailsync.store.push_store import PushStore

ACCOUNTS_PATH = "/api/email/accounts"
ACCOUNT_PATH = f"{ACCOUNTS_PATH}/<accountId>"
_NOTHING_TO_CONFIRM = Problem(
    type_urn_suffix="no-removal-to-confirm",
    http_status=409,
    title="No removal waits for a confirmation",
    detail="The provider does not report most of the mailbox as deleted, so there is no removal to"
    " confirm. No mail was changed; read pendingRemoval of the account.",
)

AccountIdParameter = Annotated[UUID, Path(alias="accountId")]
router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get(
    ACCOUNTS_PATH,
    summary="List the user's accounts",
    operation_id="list_accounts",
    responses=describe_responses({200: AccountList}, 422),
)
def list_accounts(limit: PageSizeParameter = 20, cursor: PageCursorParameter = None) -> AccountList:
    after = decode_page_cursor(cursor, lambda text: str(UUID(text)))
    user = caller_user_id(router.current_event)
    rows = AccountStore(open_database()).list_accounts_of_user(user, after, limit + 1)
    page, next_cursor = make_page_and_next_cursor(rows, limit, lambda row: (row.created_at, row.id))
    return AccountList(accounts=tuple(_view(each) for each in page), next_cursor=next_cursor)


@router.get(
    ACCOUNT_PATH,
    summary="Show an account with all its folders",
    operation_id="get_account",
    responses=describe_responses({200: AccountDetail}, 404, 422),
)
def show_account(account_id: AccountIdParameter) -> AccountDetail:
    return _detail(_account_of_caller(account_id))


@router.patch(
    ACCOUNT_PATH,
    summary="Pause or resume an account, choose its folders",
    operation_id="update_account",
    description="Pausing the account or changing the selection of folders stops a running sync."
    " The next sync, which is due immediately, deletes the mail of deselected folders and reads"
    " newly selected folders from the beginning. Folders that are created at the provider later"
    " are selected.",
    responses=describe_responses({200: AccountDetail}, 400, 404, 409, 413, 415, 422),
)
def change_account(account_id: AccountIdParameter, patch: AccountPatch) -> AccountDetail:
    account = _account_of_caller(account_id)
    count_against_rate_limit(account.user_id, RateLimitedCall.ACCOUNT_CONTROL)
    change = AccountControlStore(open_database()).change_pause_and_folder_selection(
        account, patch.paused, patch.map_folder_ids_to_is_selected()
    )
    if change.account_status_forbidding_change:
        raise make_cannot_sync_error(change.account_status_forbidding_change)
    if change.unknown_folder_ids:
        raise ApiError(make_unknown_folder_problem(change.unknown_folder_ids))
    write_audit_record(
        router.current_event,
        "account_changed",
        account.user_id,
        account_id=account.account_id,
        paused=patch.paused,
        folders={
            str(folder_id): selected
            for folder_id, selected in patch.map_folder_ids_to_is_selected().items()
        },
        run_id=change.stopped_run_id,
    )
    _stop_run(change.stopped_run_id)
    return _detail(account)


@router.post(
    f"{ACCOUNT_PATH}/confirm-removal",
    summary="Confirm that most of a mailbox may be deleted",
    operation_id="confirm_removal",
    description="If the provider reports most of a mailbox as deleted, Mailsync hides that mail and"
    " waits 24 hours before it deletes it (`SuspiciousRemoval`). A user who intended the deletion"
    " can confirm it. The next sync, which is due immediately, requests the messages again and"
    " deletes those that are still gone, at the earliest two hours after the first report. The"
    " confirmation does not cover messages that disappear later. Repeating it changes nothing.",
    responses=describe_responses({200: RemovalConfirmed}, 404, 409, 422),
)
def confirm_removal_of_hidden_mail(account_id: AccountIdParameter) -> RemovalConfirmed:
    account = _account_of_caller(account_id)
    count_against_rate_limit(account.user_id, RateLimitedCall.ACCOUNT_CONTROL)
    removal = AccountControlStore(open_database()).confirm_hidden_mail_removal(account)
    if removal is None:
        raise ApiError(_NOTHING_TO_CONFIRM)
    event = router.current_event
    ids = {"account_id": account.account_id, "messages": removal.reported_gone_message_count}
    write_audit_record(event, "removal_confirmed", account.user_id, **ids)
    return RemovalConfirmed(
        account_id=account.account_id,
        pending_removal=to_pending_removal(removal),
        message="The next sync requests the messages again and deletes those that are still gone.",
    )


def _account_of_caller(account_id: UUID) -> AccountOfRequestingUser:
    return AccountOfRequestingUser(AccountId(str(account_id)), caller_user_id(router.current_event))


def _stop_run(run_id: RunId | None) -> None:
    if run_id is not None:
        create_sync_starter().stop_execution_of_closed_run(run_id)


def _detail(account: AccountOfRequestingUser) -> AccountDetail:
    whole = require_caller_account(account.account_id, account.user_id)
    id_by_remote_id = {each.remote_id: FolderId(each.id) for each in whole.folders}
    return AccountDetail(
        **_view(whole.account).model_dump(),
        notifications=_notifications(account),
        folders=tuple(to_folder_selection(each, id_by_remote_id) for each in whole.folders),
        differences=tuple(_difference(each) for each in whole.messages_contradicting_listing),
    )


def _notifications(account: AccountOfRequestingUser) -> Notifications | None:
    found = PushStore(open_database()).find_push_state(account.account_id, account.user_id)
    if found is None:
        return None
    return Notifications(
        state=found.notification_health,
        expires_at=found.expires_at,
        last_received_at=found.last_notified_at,
        last_error=found.last_error_name,
    )


def _view(account: AccountRow) -> AccountView:
    return AccountView(
        account_id=account.id,
        email_address=account.email_address,
        provider=account.provider,
        status=account.status,
        sync_status=account.sync_status,
        last_sync_at=account.last_sync_at,
        initial_sync_completed=account.is_initial_sync_completed,
        verified_at=account.counts_verified_at,
        compared_at=account.oldest_id_comparison_at,
        pending_removal=to_pending_removal_or_none(account.hidden_mail_summary),
        next_sync_at=account.next_sync_at,
        last_error=stored_error_to_failure_or_none(
            account.last_error_name, account.last_error_message
        ),
        created_at=account.created_at,
    )


def _difference(difference: ListingContradictionRow) -> DifferenceView:
    return DifferenceView(
        folder_id=difference.folder_id,
        message_id=difference.message_id,
        cause=ListingContradictionKind(difference.cause),
        found_at=difference.found_at,
    )
