"""Store runs: create them, find them by their Idempotency-Keys, and close them."""

from dataclasses import dataclass, replace
from typing import Any

from mailsync.decisions.due import VERIFICATION_FAILED_ERROR_NAME
from mailsync.decisions.open_run import MIN_HEARTBEAT_AGE_OF_STALE_RUN_S
from mailsync.errors import LeaseLost, StoreRejected
from mailsync.metrics import RUNS_COMPLETED, add_failed_run_to_metrics, add_to_metric
from mailsync.model import AccountId, FolderId, RunId, RunRef, SyncType, SyncTypeAndFolders
from mailsync.store.account_store import AccountStore
from mailsync.store.connection import Database, Transaction
from mailsync.store.rows import to_jsonb
from mailsync.store.run_outcome import (
    complete_or_fail_run,
    fail_run,
    has_run_stored_all_pending_messages,
)


@dataclass(frozen=True, slots=True)
class EnqueuedOrExistingRun:
    """The run that `RunStore.enqueue_run` returns: a new run, the account's open run, or the run of
    an earlier request with the same Idempotency-Key.

    execution_arn: ARN of the run's current execution. None: the execution has not started yet.
    execution_name: name of the run's current execution.
    sync_scope: what the run syncs.
    sync_scope_of_idempotency_key: the sync that the first request with this Idempotency-Key asked
        for. None if the present request has no key, or a new key.
    has_stale_heartbeat: whether the run's last heartbeat is older than
        MIN_HEARTBEAT_AGE_OF_STALE_RUN_S.
    """

    id: RunId
    execution_arn: str | None
    execution_name: str
    status: str
    sync_scope: SyncTypeAndFolders
    sync_scope_of_idempotency_key: SyncTypeAndFolders | None = None
    has_stale_heartbeat: bool = False

    @property
    def has_ended(self) -> bool:
        return self.status not in ("queued", "running")


@dataclass(frozen=True, slots=True)
class StaleRun:
    """An open run that has not recorded a heartbeat for longer than a limit."""

    id: RunId
    account_id: AccountId
    execution_arn: str | None
    execution_name: str


class RunStore:
    """Creates, finds and closes runs in the database. Raises StoreUnavailable and StoreRejected;
    every method is one transaction.

    A method that sets the outcome of a run also counts the run in the metrics, after the commit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def enqueue_run(
        self,
        account_id: AccountId,
        run_id: RunId,
        scope: SyncTypeAndFolders,
        trigger: str,
        idempotency_key: str | None = None,
    ) -> EnqueuedOrExistingRun:
        """Return the account's open run; if the account has no open run, create a run with the id
        `run_id` and return it.

        If an earlier request had the same Idempotency-Key, return the run of that request instead,
        even if the run has ended.

        Raises:
            AccountNotFound: the account was deleted in the meantime.
        """
        try:
            found = self._enqueued(account_id, run_id, scope, trigger, idempotency_key)
        except StoreRejected:
            AccountStore(self._database).read_account(account_id)
            raise
        if found is None:  # the run that barred ours ended between the two statements
            return self.enqueue_run(account_id, run_id, scope, trigger, idempotency_key)
        if found.id == run_id:
            self._show_open_run(account_id)
        return found

    def _show_open_run(self, account_id: AccountId) -> None:
        """Set the account's column `sync_status` to `syncing`, unless the account's run has ended.

        This is a transaction of its own: a lock of the account after the insertion of a run would
        deadlock with `take_lease`, which locks the account first.
        """
        with self._database.transaction() as tx:
            tx.run("lock_account", account_id=account_id)
            tx.run("show_open_run", account_id=account_id)

    def _enqueued(
        self,
        account_id: AccountId,
        run_id: RunId,
        scope: SyncTypeAndFolders,
        trigger: str,
        idempotency_key: str | None,
    ) -> EnqueuedOrExistingRun | None:
        """Do the work of `enqueue_run` in one transaction. Return None if an open run prevented the
        new run and has ended meanwhile."""
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
                return EnqueuedOrExistingRun(run_id, None, run_id, "queued", scope)
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

    def find_run_of_idempotency_key(
        self, account_id: AccountId, idempotency_key: str
    ) -> EnqueuedOrExistingRun | None:
        """Return the run of an earlier request with this Idempotency-Key. None: the key is new."""
        with self._database.transaction() as tx:
            return _run_of_key(tx, account_id, idempotency_key)

    def delete_idempotency_key_of_joined_run(
        self, account_id: AccountId, run_id: RunId, key: str
    ) -> None:
        """Delete the record that an earlier request with this Idempotency-Key joined this run.

        Call this if the execution of the run has died. When the client repeats the request with the
        same key, `enqueue_run` then creates a new run instead of returning the dead run.
        """
        with self._database.transaction() as tx:
            tx.run("forget_joined_key", account_id=account_id, run_id=run_id, key=key)

    def read_sync_scope_and_repair_round_count(self, run: RunRef) -> tuple[SyncTypeAndFolders, int]:
        """Return the scope of the run (what the run syncs), and the number of rounds in which the
        run has compared and repaired folders so far."""
        with self._database.transaction() as tx:
            sync_type, rounds, folder_ids = tx.run("run_settings", run_id=run.run_id)[0]
        return _sync_type_and_folders(sync_type, folder_ids), rounds

    def complete_or_fail_run(self, run: RunRef, *, requests: int = 0) -> bool | None:
        """Close the run as completed if every folder is verified, else as failed. Return whether a
        completed run has stored every message that the provider named. False: some messages are
        still pending, because the provider named them and then reported them as gone. Return None
        if the run was closed as failed.

        A second call for a completed run changes nothing.

        requests: number of requests to the provider since the run's last heartbeat.

        Raises:
            LeaseLost: the run has lost the lease and was not completed before.
        """
        with self._database.transaction() as tx:
            if not tx.run("check_lease", account_id=run.account_id, epoch=run.lease_epoch):
                if tx.run("completed_run", run_id=run.run_id):
                    return has_run_stored_all_pending_messages(tx, run)
                raise LeaseLost(f"Run {run.run_id}: another execution owns the mailbox now.")
            proven = complete_or_fail_run(tx, run, requests=requests)
        if proven is None:
            add_failed_run_to_metrics(VERIFICATION_FAILED_ERROR_NAME)
        else:
            add_to_metric(RUNS_COMPLETED)
        return proven

    def fail_run(
        self,
        account_id: AccountId,
        run_id: RunId,
        owner: str,
        error: str,
        message: str,
        *,
        execution_name: str | None = None,
    ) -> None:
        """Close the run as failed with this error name. Release the lease of the mailbox if the
        execution with the ARN `owner` holds it.

        If the run has an outcome already, or the execution has handed it over meanwhile, neither
        the run nor its account changes.

        execution_name: name of the execution that ended. None: the run's id.
        """
        with self._database.transaction() as tx:
            closes = fail_run(
                tx,
                account_id,
                run_id,
                owner=owner,
                error=error,
                message=message,
                execution_name=execution_name or run_id,
            )
        if closes is not None:
            add_failed_run_to_metrics(error, closes_account=closes)

    def find_open_run_of_execution(self, execution_name: str) -> tuple[RunId, AccountId] | None:
        """Return the open run whose current execution has this name, and the run's account. None:
        the run has ended, or the execution has handed it over."""
        with self._database.transaction() as tx:
            found = tx.run("open_run_of_execution", name=execution_name)
        return (RunId(found[0][0]), AccountId(found[0][1])) if found else None

    def execution_name_of_run(self, run_id: RunId) -> str:
        """Return the name of the run's current execution; if the run has ended, of its last
        execution."""
        with self._database.transaction() as tx:
            found = tx.run("execution_of_run", run_id=run_id)
        return str(found[0][0]) if found else run_id

    def find_stale_runs(self, limit: int) -> tuple[StaleRun, ...]:
        """Return up to `limit` open runs without a heartbeat for MIN_HEARTBEAT_AGE_OF_STALE_RUN_S.
        A run is left out during a pause that the provider requested."""
        with self._database.transaction() as tx:
            found = tx.run("stale_runs", seconds=MIN_HEARTBEAT_AGE_OF_STALE_RUN_S, limit=limit)
        return tuple(
            StaleRun(RunId(run), AccountId(account), arn, name) for run, account, arn, name in found
        )


def _run_of_key(tx: Transaction, account_id: AccountId, key: str) -> EnqueuedOrExistingRun | None:
    """Return the run of an earlier request with this Idempotency-Key, or None if the key is new.
    Lock the key until the transaction ends."""
    tx.run("lock_key", account_id=account_id, key=key)
    found = tx.run("find_run_by_key", account_id=account_id, key=key)
    if not found:
        return None
    *run, sync_type, folder_ids = found[0]
    return replace(
        _open_run(run), sync_scope_of_idempotency_key=_sync_type_and_folders(sync_type, folder_ids)
    )


def _open_run(row: list[Any]) -> EnqueuedOrExistingRun:
    run_id, execution_arn, execution_name, status, heartbeat_age_s, sync_type, folder_ids = row
    scope, is_stale = (
        _sync_type_and_folders(sync_type, folder_ids),
        heartbeat_age_s > MIN_HEARTBEAT_AGE_OF_STALE_RUN_S,
    )
    return EnqueuedOrExistingRun(
        RunId(run_id), execution_arn, execution_name, status, scope, has_stale_heartbeat=is_stale
    )


def _columns(scope: SyncTypeAndFolders) -> dict[str, Any]:
    folder_ids = to_jsonb(scope.folder_ids) if scope.folder_ids else None
    return {"sync_type": scope.sync_type, "folder_ids": folder_ids}


def _sync_type_and_folders(sync_type: str, folder_ids: list[int] | None) -> SyncTypeAndFolders:
    return SyncTypeAndFolders(
        SyncType(sync_type), tuple(FolderId(each) for each in folder_ids or ())
    )
