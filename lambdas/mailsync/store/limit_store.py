"""The calls that users may still make in this hour."""

from mailsync.store.connection import Database

_PER_SWEEP = 1000


class LimitStore:
    """Raises StoreUnavailable and StoreRejected; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, user_id: str, kind: str, per_hour: int) -> int:
        """Take one call of the user's allowance; return 0, or the seconds until there is one.

        The allowance is `per_hour` calls at most, and grows back evenly within an hour.
        """
        with self._database.transaction() as tx:
            [[wait_s]] = tx.run("take_call", user_id=user_id, kind=kind, per_hour=per_hour)
        return int(wait_s)

    def sweep(self) -> int:
        """Delete expired rows that calls have left, a thousand of each kind; return how many.

        That is allowances that are whole again, expired sign-ins, Idempotency-Keys
        of requests that joined a run more than a day ago, and rows of self-tests that died.
        """
        with self._database.transaction() as tx:
            return (
                tx.changed("forget_whole_limits", limit=_PER_SWEEP)
                + tx.changed("forget_sign_ins", limit=_PER_SWEEP)
                + tx.changed("forget_joined_keys", limit=_PER_SWEEP)
                + tx.changed("forget_self_tests", limit=_PER_SWEEP)
            )
