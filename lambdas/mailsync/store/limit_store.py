"""Store hourly rate limits per user and kind of API call."""

from mailsync.store.connection import Database

_PER_SWEEP = 1000


class RateLimitStore:
    """Counts API calls against limits. Raises StoreUnavailable and StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_call(self, user_id: str, kind: str, per_hour: int) -> int:
        """Count one call of the user; return 0 if it is allowed, else seconds until the next
        allowed call.

        The allowance is at most `per_hour` calls and refills evenly over an hour.
        """
        with self._database.transaction() as tx:
            [[wait_s]] = tx.run("take_call", user_id=user_id, kind=kind, per_hour=per_hour)
        return int(wait_s)

    def delete_expired_rows(self) -> int:
        """Delete expired rows, at most a thousand of each kind, and return their number.

        The kinds: full rate-limit allowances, expired sign-ins, Idempotency-Keys that joined a run
        more than a day ago, and rows of self-tests that died.
        """
        with self._database.transaction() as tx:
            return (
                tx.run_returning_row_count("forget_whole_limits", limit=_PER_SWEEP)
                + tx.run_returning_row_count("forget_sign_ins", limit=_PER_SWEEP)
                + tx.run_returning_row_count("forget_joined_keys", limit=_PER_SWEEP)
                + tx.run_returning_row_count("forget_self_tests", limit=_PER_SWEEP)
            )
