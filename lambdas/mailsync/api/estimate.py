"""Define the route that estimates the first sync of an account.

The route belongs to the Lambda function `connect`, because it requests the number of messages from
the mail provider. Like `connections`, this module validates without pydantic.
"""

import json
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from mailsync.api.caller_account import make_cannot_sync_error, require_caller_account
from mailsync.api.rate_limits import RateLimitedCall, count_against_rate_limit
from mailsync.api.removal import ACCOUNT_PATH, parse_account_and_caller_ids
from mailsync.sync.estimate import estimate_first_sync_of_account

first_sync_estimate_router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@first_sync_estimate_router.get(f"{ACCOUNT_PATH}/estimate")
def show_first_sync_estimate(account_id: str) -> Response[str]:
    """Return the number of messages in the mailbox. Also return the seconds, the requests and the
    US dollars that a first sync of all these messages would take.

    Raises:
        AccountNotFound: the caller has no such account.
        AccountNotConnected: the account cannot be synced.
    """
    own = parse_account_and_caller_ids(account_id, first_sync_estimate_router.current_event)
    account = require_caller_account(own.account_id, own.user_id).account
    count_against_rate_limit(own.user_id, RateLimitedCall.ACCOUNT_CONTROL)
    if account.status != "active":
        raise make_cannot_sync_error(account.status)
    found = estimate_first_sync_of_account(own.account_id)
    body = {
        "accountId": own.account_id,
        "messages": found.message_count,
        "durationSeconds": found.duration_s,
        "requests": found.quota_units,
        "usd": found.cost_usd,
    }
    headers = {"Cache-Control": "no-store"}
    return Response(HTTPStatus.OK, APPLICATION_JSON, json.dumps(body), headers)
