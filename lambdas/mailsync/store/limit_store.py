"""Store the use of hourly rate limits, per user and kind of API call."""

from mailsync.store.connection import Database

_PER_SWEEP = 1000


class RateLimitStore:
    """Counts API calls of users against their hourly limits. Raises StoreUnavailable and
    StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_api_call(self, user_id: str, kind: str, per_hour: int) -> int:
        """Count one API call of the user. Return 0 if the call is allowed, else the seconds until
        the next call is allowed.

        A user can save up at most `per_hour` calls; this allowance refills evenly over an hour.
        """
        with self._database.transaction() as tx:
            [[wait_s]] = tx.run("take_call", user_id=user_id, kind=kind, per_hour=per_hour)
        return int(wait_s)

    def delete_expired_limits_sign_ins_and_keys(self) -> int:
        """Delete expired rows of four kinds, at most a thousand of each kind; return how many were
        deleted.

        The kinds: rate limits of users whose allowance is full again, expired sign-ins,
        Idempotency-Keys that joined a run more than a day ago, and rows of self-tests that died.
        """
        with self._database.transaction() as tx:
            return (
                tx.run_returning_row_count("forget_whole_limits", limit=_PER_SWEEP)
                + tx.run_returning_row_count("forget_sign_ins", limit=_PER_SWEEP)
                + tx.run_returning_row_count("forget_joined_keys", limit=_PER_SWEEP)
                + tx.run_returning_row_count("forget_self_tests", limit=_PER_SWEEP)
            )
