"""Accounts, leases and runs: who works on which mailbox, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mailsync.decisions.due import VERIFICATION_FAILED
from mailsync.errors import AccountNotConnected, AccountNotFound, LeaseLost, StoreRejected
from mailsync.metrics import RUNS_COMPLETED, count, count_failure
from mailsync.model import (
    Account,
    AccountId,
    FolderId,
    Provider,
    RunId,
    RunRef,
    SyncScope,
    SyncType,
)
from mailsync.store.connection import Database, Transaction
from mailsync.store.rows import to_json
from mailsync.store.run_outcome import announce, complete_run, fail_run, fail_unverified, finish

LEASE_S = 15 * 60
"""Longer than any function and any pause between two of them."""

CHECKER = "sync-accounts"
"""The owner of the lease while a mailbox is checked without an execution."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """`execution_arn` is None while the execution has not begun.

    `scope` is what it does, and `repeats` what was asked for when the Idempotency-Key of this
    request was first answered with it; None: there is no key, or it is new.
    """

    id: RunId
    execution_arn: str | None
    status: str
    scope: SyncScope
    repeats: SyncScope | None = None


@dataclass(frozen=True, slots=True)
class StaleRun:
    """An open run that has given no sign of life for a while."""

    id: RunId
    account_id: AccountId
    execution_arn: str | None


class RunStore:
    """Raises StoreUnavailable and StoreRejected; every method is one transaction.

    A run is counted by the call that gave it its outcome, once that is committed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def account(self, account_id: AccountId) -> Account:
        """Raises AccountNotFound when there is none, whatever the id looks like."""
        if not _is_uuid(account_id):
            raise AccountNotFound("There is no account of this id.")
        with self._database.transaction() as tx:
            found = tx.run("find_account", account_id=account_id)
        if not found:
            raise AccountNotFound(f"There is no account {account_id}.")
        return read_account(found[0])

    def active_account(self, account_id: AccountId) -> Account:
        """The account, if it may be synced. Raises AccountNotFound and AccountNotConnected."""
        account = self.account(account_id)
        if account.status != "active":
            raise AccountNotConnected(
                f"Account {account_id} is {account.status}; connect or resume it first."
            )
        return account

    def enqueue(
        self,
        account_id: AccountId,
        run_id: RunId,
        scope: SyncScope,
        trigger: str,
        idempotency_key: str | None = None,
    ) -> OpenRun:
        """The run that was asked for, or the one that is open; for a key that was answered before,
        the run that it was answered with, whatever has become of it.

        Raises AccountNotFound when the account was deleted meanwhile.
        """
        try:
            found = self._enqueued(account_id, run_id, scope, trigger, idempotency_key)
        except StoreRejected:
            self.account(account_id)
            raise
        # The run that barred ours may have ended between the two statements: then ask again.
        return found or self.enqueue(account_id, run_id, scope, trigger, idempotency_key)

    def _enqueued(
        self,
        account_id: AccountId,
        run_id: RunId,
        scope: SyncScope,
        trigger: str,
        idempotency_key: str | None,
    ) -> OpenRun | None:
        """The same in one transaction; None when the open run has ended meanwhile."""
        with self._database.transaction() as tx:
            if idempotency_key and (found := _run_of_key(tx, account_id, idempotency_key)):
                return found
            if tx.run(
                "enqueue_run",
                account_id=account_id,
                run_id=run_id,
                **_columns(scope),
                trigger=trigger,
                idempotency_key=idempotency_key,
            ):
                return OpenRun(run_id, None, "queued", scope)
            joined = tx.run("find_open_run", account_id=account_id)
            if joined and idempotency_key:
                tx.run(
                    "keep_joined_key",
                    account_id=account_id,
                    key=idempotency_key,
                    run_id=joined[0][0],
                    **_columns(scope),
                )
        return _open_run(joined[0]) if joined else None

    def run_of_key(self, account_id: AccountId, idempotency_key: str) -> OpenRun | None:
        """The run that the key was answered with; None when it is new."""
        with self._database.transaction() as tx:
            return _run_of_key(tx, account_id, idempotency_key)

    def forget_joined(self, account_id: AccountId, run_id: RunId, idempotency_key: str) -> None:
        """Of a request that has joined a dead run, and is yet to be answered."""
        with self._database.transaction() as tx:
            tx.run("forget_joined_key", account_id=account_id, run_id=run_id, key=idempotency_key)

    def begin(
        self,
        account_id: AccountId,
        run_id: RunId,
        execution_arn: str,
        sync_type: SyncType,
        trigger: str,
    ) -> int | None:
        """The epoch of the lease, or None when another execution holds it.

        The same execution may begin again after a retry and gets the same epoch; None too when
        its run was stopped meanwhile. A check that is under way loses the mailbox to it.
        """
        with self._database.transaction() as tx:
            tx.run("lock_account", account_id=account_id)
            if tx.run("ended_run", run_id=run_id):
                return None
            lease = tx.run(
                "take_lease",
                account_id=account_id,
                run_id=run_id,
                owner=execution_arn,
                checker=CHECKER,
                seconds=LEASE_S,
            )
            if not lease:
                finish(tx, run_id, "cancelled", "AlreadySyncing", "Another run was at work.")
                return None
            overtaken = tx.run("close_stale_run", account_id=account_id, run_id=run_id)
            for stale, error in overtaken:
                announce(tx, account_id, "sync.failed", stale, error=error)
            tx.run(
                "open_run",
                run_id=run_id,
                account_id=account_id,
                execution_arn=execution_arn,
                sync_type=sync_type,
                trigger=trigger,
            )
        for _, error in overtaken:
            count_failure(error)
        return int(lease[0][0])

    def renew_lease(self, run: RunRef, *, requests: int = 0) -> None:
        """Raises LeaseLost when another execution took the mailbox."""
        with self._database.transaction() as tx:
            if not tx.run(
                "renew_lease", account_id=run.account_id, epoch=run.lease_epoch, seconds=LEASE_S
            ):
                raise LeaseLost(f"Run {run.run_id}: another execution owns the mailbox now.")
            tx.run("run_heartbeat", run_id=run.run_id, requests=requests)

    def save_throttle(self, run: RunRef, wait_s: float) -> None:
        """No request is sent for so many seconds, whoever works on the mailbox; the lease lasts
        for longer."""
        with self._database.transaction() as tx:
            tx.run(
                "save_throttle",
                account_id=run.account_id,
                epoch=run.lease_epoch,
                wait_s=wait_s,
                lease_s=float(LEASE_S),
            )

    def save_in_flight(self, account_id: AccountId, in_flight: int) -> None:
        """So many requests at a time, and no more, were found to be taken."""
        with self._database.transaction() as tx:
            tx.run("save_in_flight", account_id=account_id, in_flight=in_flight)

    def run_settings(self, run: RunRef) -> tuple[SyncScope, int]:
        """What the run was asked to do, and how many rounds of repairs it has had."""
        with self._database.transaction() as tx:
            sync_type, rounds, folder_ids = tx.run("run_settings", run_id=run.run_id)[0]
        return _wish(sync_type, folder_ids), rounds

    def complete(self, run: RunRef) -> bool:
        """Close the run; return whether every folder was verified, without which it has failed.

        A function that died after the commit is asked again: the second call changes nothing.
        """
        with self._database.transaction() as tx:
            if not tx.run("check_lease", account_id=run.account_id, epoch=run.lease_epoch):
                if tx.run("completed_run", run_id=run.run_id):
                    return True
                raise LeaseLost(f"Run {run.run_id}: another execution owns the mailbox now.")
            unverified = tx.run("unproven_folders", run_id=run.run_id)[0][0]
            if unverified:
                fail_unverified(tx, run, unverified)
            else:
                complete_run(tx, run)
        if unverified:
            count_failure(VERIFICATION_FAILED)
        else:
            count(RUNS_COMPLETED)
        return not unverified

    def fail(
        self, account_id: AccountId, run_id: RunId, owner: str, error: str, message: str
    ) -> None:
        """Closes the run under the name of its error and frees the lease if `owner` holds it.

        A run that has its outcome keeps it, and its account is left alone.
        """
        with self._database.transaction() as tx:
            closes = fail_run(tx, account_id, run_id, owner=owner, error=error, message=message)
        if closes is not None:
            count_failure(error, closes_account=closes)

    def open_run_account(self, run_id: RunId) -> AccountId | None:
        """Whose run that is, as long as it has no outcome."""
        with self._database.transaction() as tx:
            found = tx.run("open_run_account", run_id=run_id)
        return AccountId(found[0][0]) if found else None

    def stale_runs(self, seconds: int, limit: int) -> tuple[StaleRun, ...]:
        with self._database.transaction() as tx:
            found = tx.run("stale_runs", seconds=seconds, limit=limit)
        return tuple(StaleRun(RunId(run), AccountId(account), arn) for run, account, arn in found)

    def claim_due(self, limit: int, wait_s: float) -> tuple[AccountId, ...]:
        """Those that have been due for longest; each is put off by `wait_s`, so nobody else claims
        it too, and one that is forgotten comes back by itself."""
        with self._database.transaction() as tx:
            found = tx.run("claim_due_accounts", limit=limit, next_in_s=wait_s)
        return tuple(AccountId(each) for (each,) in found)


def read_account(row: Sequence[Any]) -> Account:
    """From the columns of `find_account`."""
    number, provider, status, is_complete, remote_id, organisation_id, *limits = row
    max_in_flight, throttled_for_s = limits
    return Account(
        id=AccountId(number),
        provider=Provider(provider),
        status=status,
        initial_sync_completed=is_complete,
        remote_id=remote_id,
        organisation_id=organisation_id,
        max_in_flight=max_in_flight,
        throttled_for_s=throttled_for_s,
    )


def _run_of_key(tx: Transaction, account_id: AccountId, key: str) -> OpenRun | None:
    """Holds the key until the transaction ends: of two at once, one is answered first."""
    tx.run("lock_key", account_id=account_id, key=key)
    found = tx.run("find_run_by_key", account_id=account_id, key=key)
    if not found:
        return None
    *run, sync_type, folder_ids = found[0]
    return replace(_open_run(run), repeats=_wish(sync_type, folder_ids))


def _open_run(row: list[Any]) -> OpenRun:
    run_id, execution_arn, status, sync_type, folder_ids = row
    return OpenRun(RunId(run_id), execution_arn, status, _wish(sync_type, folder_ids))


def _columns(scope: SyncScope) -> dict[str, Any]:
    folder_ids = to_json(scope.folder_ids) if scope.folder_ids else None
    return {"sync_type": scope.sync_type, "folder_ids": folder_ids}


def _wish(sync_type: str, folder_ids: list[int] | None) -> SyncScope:
    return SyncScope(SyncType(sync_type), tuple(FolderId(each) for each in folder_ids or ()))


def _is_uuid(text: str) -> bool:
    from uuid import UUID

    try:
        UUID(text)
    except ValueError:
        return False
    return True
