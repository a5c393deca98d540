"""Begin the transactions of a sync. Each transaction first checks that the run still holds the
lease of the mailbox (fencing)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from mailsync.errors import LeaseLost
from mailsync.model import RunRef
from mailsync.store.connection import Database, Transaction


class DatabaseInOpenTransaction(Database):
    """A `Database` that runs every statement in one transaction, which is open already. The end of
    a `transaction()` block commits nothing; the owner of the open transaction commits it.

    run: the run whose lease the open transaction has checked. A `FencedTransaction` of this run
        does not check the lease again.
    """

    def __init__(self, tx: Transaction, run: RunRef) -> None:
        self.run = run
        self._tx = tx

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        yield self._tx


class FencedTransaction:
    """A context manager for a transaction that first checks the epoch of the run's lease.

    is_exclusive: whether no other fenced transaction of the account may run at the same time.

    Raises:
        LeaseLost: another execution or check has taken the lease, or a user has stopped the run.
    """

    def __init__(self, database: Database, run: RunRef, *, is_exclusive: bool = False) -> None:
        self._transaction: AbstractContextManager[Transaction] = database.transaction()
        self._run = run
        self._is_exclusive = is_exclusive
        self._is_fenced = (
            isinstance(database, DatabaseInOpenTransaction)
            and database.run == run
            and not is_exclusive
        )

    def __enter__(self) -> Transaction:
        tx = self._transaction.__enter__()
        if self._is_fenced:
            return tx
        run = {"account_id": self._run.account_id, "epoch": self._run.lease_epoch}
        try:
            if not (
                tx.run("check_lease_alone", **run)
                if self._is_exclusive
                else tx.run("check_lease", **run)
            ):
                raise LeaseLost(
                    f"Run {self._run.run_id}: another execution owns the mailbox now;"
                    " nothing was written."
                )
        except BaseException as error:
            self._transaction.__exit__(type(error), error, error.__traceback__)
            raise
        return tx

    def __exit__(self, *raised: object) -> bool | None:
        return self._transaction.__exit__(*raised)  # type: ignore[arg-type]
