"""How often one user may call what starts work, writes rows or asks a provider.

The gateway's throttles are for everybody together; these keep one user, with an account or without,
from spending the operator's money and everybody's turn.
"""

from enum import StrEnum

from mailsync.api.problems import ApiError, Problem
from mailsync.log import logger
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.limit_store import LimitStore

ALL_USERS = ""
"""Whose allowance all users share; no token may name a user so."""


class LimitedCall(StrEnum):
    """What calls are counted together; `mailsync.settings` has how many are allowed in an hour."""

    SYNC = "sync"
    FULL_SYNC = "full-sync"
    CONTROL = "control"
    CONNECT = "connect"
    ORGANISATION = "organisation"
    SELF_TEST = "self-test"
    SELF_TESTS = "self-tests"


def count_call(user_id: str, kind: LimitedCall) -> None:
    """Take one call of the user's allowance. Raises ApiError (429) when it is used up."""
    per_hour = load_settings().calls_per_hour[kind]
    wait_s = LimitStore(open_database()).take(user_id, kind, per_hour)
    if wait_s:
        logger.info("call_refused", kind=kind, wait_s=wait_s)
        raise ApiError(_used_up(per_hour, wait_s))


def _used_up(per_hour: int, wait_s: int) -> Problem:
    return Problem(
        kind="too-many-calls",
        status=429,
        title="Too many calls of this kind",
        detail=f"At most {per_hour} in an hour are allowed; send it again in {wait_s} seconds."
        " What was started goes on.",
        retry_after_s=wait_s,
    )
