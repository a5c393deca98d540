"""The route that takes an account away: here, where tokens may be opened, for its provider is told.

No validation by models, as in `connections`.
"""

import json
import time
from http import HTTPStatus
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from mailsync.api.audit import audit
from mailsync.api.caller import caller_user_id
from mailsync.api.problems import ApiError, invalid_field_problem
from mailsync.api.rate_limits import LimitedCall, count_call
from mailsync.model import AccountId, RunId
from mailsync.runs.trigger import open_trigger
from mailsync.store.connection import open_database
from mailsync.store.control_store import AccountOfCaller, ControlStore
from mailsync.sync.purge import purge
from mailsync.sync.push import end_push

ACCOUNT_PATH = "/api/email/accounts/<account_id>"
KEEP_DATA, PURGE_DATA = "keep", "purge"
"""What becomes of the mail of an account that is taken away."""
PURGE_BUDGET_S = 13.0
"""Less than the 29 seconds after which the API gives up; the schedule deletes the rest."""

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.delete(ACCOUNT_PATH)
def remove_account(account_id: str) -> Response[str]:
    """A death before the account's own transaction leaves one that can be removed again."""
    deadline = time.monotonic() + PURGE_BUDGET_S
    own, data = _caller_account(account_id), _data()
    count_call(own.user_id, LimitedCall.CONTROL)
    store = ControlStore(open_database())
    end_push(own)
    stopped = store.disconnect(own) if data == KEEP_DATA else store.begin_purge(own)
    event = router.current_event
    audit(event, "account_removed", own.user_id, account_id=own.id, data=data, run_id=stopped)
    _stop(stopped)
    if data == KEEP_DATA:
        return _removed(own, "disconnected", "The account is disconnected; its mail stays.")
    if purge(store, own.id, deadline - time.monotonic()):
        return _removed(own, "purged", "The account and its mail are deleted.")
    return _removed(own, "purging", "The account is gone; its last mail is being deleted.")


def _caller_account(account_id: str) -> AccountOfCaller:
    try:
        number = UUID(account_id)
    except ValueError:
        raise ApiError(invalid_field_problem("accountId")) from None
    return AccountOfCaller(AccountId(str(number)), caller_user_id(router.current_event))


def _data() -> str:
    said = router.current_event.query_string_parameters.get("data", KEEP_DATA)
    if said not in (KEEP_DATA, PURGE_DATA):
        raise ApiError(invalid_field_problem("data"))
    return said


def _stop(run_id: RunId | None) -> None:
    if run_id is not None:
        open_trigger().stop(run_id)


def _removed(own: AccountOfCaller, status: str, message: str) -> Response[str]:
    body = {"success": True, "accountId": own.id, "status": status, "message": message}
    code = HTTPStatus.ACCEPTED if status == "purging" else HTTPStatus.OK
    return Response(code, APPLICATION_JSON, json.dumps(body), {"Cache-Control": "no-store"})
