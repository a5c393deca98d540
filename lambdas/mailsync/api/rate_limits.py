"""Limit how many API calls each user may make per hour. The limits apply to calls that start work,
write rows or send requests to a provider.

The throttles of API Gateway apply to all users together. The limits of this module keep one user,
with or without an account, from causing costs and from using up the throttles for all other users.
"""

from enum import StrEnum

from mailsync.api.problems import ApiError, Problem
from mailsync.log import logger
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.limit_store import RateLimitStore

USER_ID_OF_LIMIT_FOR_ALL_USERS = ""
"""The user id under which calls of all users together are counted. No valid token has an empty
`sub`."""


class RateLimitedCall(StrEnum):
    """The groups of API calls. Each group has an hourly limit per user, in
    `Settings.max_api_calls_per_hour_by_kind`. The limit of SELF_TEST_BY_ALL_USERS applies to all
    users together."""

    SYNC = "sync"
    FULL_SYNC = "full-sync"
    ACCOUNT_CONTROL = "control"
    USER_MAILBOX_CONNECTION = "connect"
    ORGANISATION_MAILBOX_CONNECTION = "organisation"
    SELF_TEST_BY_ONE_USER = "self-test"
    SELF_TEST_BY_ALL_USERS = "self-tests"


def count_against_rate_limit(user_id: str, kind: RateLimitedCall) -> None:
    """Count one API call of the user against the hourly limit of the group `kind`.

    Raises:
        ApiError: the limit is reached (429, with Retry-After).
    """
    per_hour = load_settings().max_api_calls_per_hour_by_kind[kind]
    wait_s = RateLimitStore(open_database()).count_api_call(user_id, kind, per_hour)
    if wait_s:
        logger.info("call_refused", kind=kind, wait_s=wait_s)
        raise ApiError(make_rate_limit_problem(per_hour, wait_s))


def make_rate_limit_problem(per_hour: int, wait_s: int) -> Problem:
    """Return the problem (429) for a call that exceeds an hourly limit.

    per_hour: the limit, in calls per hour.
    wait_s: seconds after which the caller may repeat the call.
    """
    return Problem(
        type_urn_suffix="too-many-calls",
        http_status=429,
        title="Too many calls of this kind",
        detail=f"At most {per_hour} calls of this kind are allowed in an hour; send the request"
        f" again in {wait_s} seconds. Running syncs are not affected.",
        retry_after_s=wait_s,
    )
