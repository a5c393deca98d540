"""Define the route that disconnects an account, or purges it (deletes it with its mail).

The route belongs to the Lambda function `connect`, which can open sealed tokens: ending the
provider's subscription needs the account's access token. Like `connections`, this module validates
without pydantic.
"""

import json
import time
from http import HTTPStatus
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.audit import write_audit_record
from mailsync.api.caller import caller_user_id
from mailsync.api.problems import ApiError, make_invalid_field_problem
from mailsync.api.rate_limits import RateLimitedCall, count_against_rate_limit
from mailsync.model import AccountId, RunId
from mailsync.runs.trigger import create_sync_starter
from mailsync.store.connection import open_database
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from mailsync.sync.purge import purge_account
from mailsync.sync.push import end_subscriptions_of_account
from mailsync.sync.revocation import RevocationOutcome, prepare_revocation

ACCOUNT_PATH = "/api/email/accounts/<account_id>"
KEEP_DATA, PURGE_DATA = "keep", "purge"
"""Values of the query parameter `data`: keep the account's mail, or delete it."""
MAX_MAIL_DELETION_S_PER_REQUEST = 13.0
"""Seconds after which a request stops deleting mail, counted from the start of the request. API
Gateway's time-out is 30 s. The scheduled function `purge-accounts` deletes the rest."""

_SENTENCE_OF_ACCESS = {
    RevocationOutcome.REVOKED: "The access to the mailbox was withdrawn.",
    RevocationOutcome.GRANT_KEPT_FOR_OTHER_ACCOUNT: (
        "The access is kept, because the mailbox is connected elsewhere."
    ),
    RevocationOutcome.REVOCATION_UNCONFIRMED: (
        "The access was deleted here; the mail provider did not confirm its end."
    ),
}

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.delete(ACCOUNT_PATH)
def disconnect_or_purge_account(account_id: str) -> Response[str]:
    """Disconnect the account and keep its mail, or purge the account: delete it with its mail. The
    query parameter `data` of the request says which; without the parameter the mail is kept.

    A purge deletes what it can within `MAX_MAIL_DELETION_S_PER_REQUEST`; the scheduled function
    `purge-accounts` deletes the rest. If the request fails before it has changed the account, the
    push subscription may have ended; Mailsync creates the subscription again. The caller can
    repeat the request.
    """
    deadline = time.monotonic() + MAX_MAIL_DELETION_S_PER_REQUEST
    account, data = parse_account_and_caller_ids(account_id, router.current_event), _data()
    count_against_rate_limit(account.user_id, RateLimitedCall.ACCOUNT_CONTROL)
    store = AccountControlStore(open_database())
    end_subscriptions_of_account(account)
    revocation = prepare_revocation(account.account_id)
    stopped = store.disconnect_account(account) if data == KEEP_DATA else store.begin_purge(account)
    access = revocation.revoke_grant() if revocation else None
    event = router.current_event
    write_audit_record(
        event,
        "account_removed",
        account.user_id,
        account_id=account.account_id,
        data=data,
        run_id=stopped,
        **({"access": access} if access else {}),
    )
    _stop_run(stopped)
    if data == KEEP_DATA:
        message = "The account is disconnected; its mail stays readable."
        return _removed(account, "disconnected", message, access)
    if purge_account(store, account.account_id, deadline - time.monotonic()):
        return _removed(account, "purged", "The account and its mail are deleted.", access)
    message = "The account is removed; the rest of its mail is being deleted."
    return _removed(account, "purging", message, access)


def parse_account_and_caller_ids(
    account_id: str, event: APIGatewayProxyEventV2
) -> AccountOfRequestingUser:
    """Return the account id of the request's path together with the caller's user id.

    This function does not check that the account exists and belongs to the caller. The store checks
    this when it reads or changes the account.

    Raises:
        ApiError: the account id in the path is not a UUID (422).
    """
    try:
        number = UUID(account_id)
    except ValueError:
        raise ApiError(make_invalid_field_problem("accountId")) from None
    return AccountOfRequestingUser(AccountId(str(number)), caller_user_id(event))


def _data() -> str:
    data = router.current_event.query_string_parameters.get("data", KEEP_DATA)
    if data not in (KEEP_DATA, PURGE_DATA):
        raise ApiError(make_invalid_field_problem("data"))
    return data


def _stop_run(run_id: RunId | None) -> None:
    if run_id is not None:
        create_sync_starter().stop_execution_of_closed_run(run_id)


def _removed(
    account: AccountOfRequestingUser, status: str, message: str, access: RevocationOutcome | None
) -> Response[str]:
    if access is not None:
        message = f"{message} {_SENTENCE_OF_ACCESS[access]}"
    body = {"success": True, "accountId": account.account_id, "status": status, "message": message}
    code = HTTPStatus.ACCEPTED if status == "purging" else HTTPStatus.OK
    return Response(code, APPLICATION_JSON, json.dumps(body), {"Cache-Control": "no-store"})
