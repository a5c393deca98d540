"""What a user may do with an account: stop its sync, pause it, select folders, disconnect, purge.

Every method is one transaction that locks the account first, and acts only on the user's own. A
sync that is still running has lost its lease before the transaction ends.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import random

from mailsync.decisions.due import (
    EXECUTION_STOPPED,
    SUSPICIOUS_REMOVAL,
    seconds_until_sync_after_failure,
)
from mailsync.errors import AccountNotFound
from mailsync.model import AccountId, FolderId, RunId
from mailsync.store.connection import Database, Transaction
from mailsync.store.lease_store import CHECK_FUNCTION_NAME
from mailsync.store.mail_store import DELETE_BATCH
from mailsync.store.removal_store import HiddenMail, hidden_mail_of_account, schedule_removal
from mailsync.store.rows import to_json
from mailsync.store.run_outcome import add_outbox_event, close_run

RUNS_DELETE_BATCH = 500

_CHANGED = "The account was paused or its choice of folders changed; what is stored stays."


@dataclass(frozen=True, slots=True)
class AccountOfCaller:
    """An account id and the user who names it. The store checks that the account is the user's."""

    id: AccountId
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChangeResult:
    """The result of changing an account.

    stopped_run_id: the run that the change ended.
    status_conflict: the account's status forbids the change; nothing was changed.
    unknown_folder_ids: folders that are not the account's; nothing was changed.
    """

    stopped_run_id: RunId | None = None
    status_conflict: str | None = None
    unknown_folder_ids: frozenset[FolderId] = frozenset()


@dataclass(frozen=True, slots=True)
class _Held:
    tx: Transaction
    account_id: AccountId
    status: str
    failures: int


class ControlStore:
    """Raises StoreUnavailable, StoreRejected, and AccountNotFound for another user's account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cancel_open_run(self, own: AccountOfCaller) -> RunId | None:
        """End the open run as `cancelled`; return its id, or None without an open run."""
        with self._held(own) as held:
            return _stop(held, "A person stopped the sync; what is stored stays.")

    def change_account(
        self, own: AccountOfCaller, paused: bool | None, choices: Mapping[FolderId, bool]
    ) -> AccountChangeResult:
        """Pause or resume the account (None: neither), and select the folders to mirror.

        The store applies all of the change or none of it. Pausing and a new selection stop the open
        run: a run has one selection from its beginning to its end.
        """
        with self._held(own) as held:
            if paused is not None and held.status not in ("active", "paused"):
                return AccountChangeResult(status_conflict=held.status)
            if unknown := _unknown_folders(held, choices):
                return AccountChangeResult(unknown_folder_ids=unknown)
            chosen = bool(choices) and _select(held, choices)
            pausing = paused is True and held.status == "active"
            stopped = _stop(held, _CHANGED) if chosen or pausing else None
            if paused is not None:
                status = "paused" if paused else "active"
                held.tx.run("set_account_status", account_id=held.account_id, status=status)
            if chosen or (paused is False and held.status == "paused"):
                held.tx.run("make_due", account_id=held.account_id)
        return AccountChangeResult(stopped_run_id=stopped)

    def confirm_removal(self, own: AccountOfCaller) -> HiddenMail | None:
        """Record that a person wants most of the mailbox removed.

        Returns what is being removed, or None where that is not most of the mailbox. The next sync,
        due at once, deletes the messages that the provider reports as gone for the second time, at
        least two hours after the first. The confirmation does not cover messages that are removed
        later.
        """
        with self._held(own) as held:
            removal = hidden_mail_of_account(held.tx, held.account_id)
            if removal.is_suspicious:
                if not held.tx.run("find_open_run", account_id=held.account_id):
                    held.tx.run(
                        "break_check", account_id=held.account_id, checker=CHECK_FUNCTION_NAME
                    )
                held.tx.run("confirm_removal", account_id=held.account_id, error=SUSPICIOUS_REMOVAL)
                removal = hidden_mail_of_account(held.tx, held.account_id)
                schedule_removal(held.tx, held.account_id, removal)
        return removal if removal.is_large else None

    def disconnect(self, own: AccountOfCaller) -> RunId | None:
        """Delete the account's credentials and keep its mail; return the run that was stopped.

        `delete_unneeded_access_tokens` deletes credentials that are being renewed at this moment.
        Notifications of the account's provider are ignored from now on.
        """
        with self._held(own) as held:
            stopped = _stop(held, "The account was disconnected; what is stored stays.")
            _forget_access(held)
            held.tx.run("set_account_status", account_id=held.account_id, status="disconnected")
        return stopped

    def begin_purge(self, own: AccountOfCaller) -> RunId | None:
        """Take the account away from its user, to be deleted; return the run that was stopped."""
        with self._held(own) as held:
            stopped = _stop(held, "The account was purged.")
            _forget_access(held)
            held.tx.run("disown_account", account_id=held.account_id)
        return stopped

    def list_accounts_to_purge(self) -> tuple[AccountId, ...]:
        """Return the accounts that are being deleted, the oldest first."""
        with self._database.transaction() as tx:
            return tuple(AccountId(each) for (each,) in tx.run("purging_accounts"))

    def purge_batch(self, account_id: AccountId) -> bool:
        """Delete a batch of an account's mail or runs; return whether any may be left."""
        with self._database.transaction() as tx:
            if tx.run_for_row_count("purge_emails", account_id=account_id, limit=DELETE_BATCH):
                return True
            return (
                tx.run_for_row_count("purge_runs", account_id=account_id, limit=RUNS_DELETE_BATCH)
                > 0
            )

    def delete_emptied_account(self, account_id: AccountId) -> bool:
        """Delete the emptied account; return False while its access is being renewed."""
        with self._database.transaction() as tx:
            tx.run("lock_account", account_id=account_id)
            return bool(tx.run("purge_account", account_id=account_id))

    def delete_unneeded_access_tokens(self) -> int:
        """Delete access tokens that are no longer needed; return how many.

        They belong to accounts that were disconnected or purged during a renewal, and to mailboxes
        whose connection was not confirmed in time.
        """
        with self._database.transaction() as tx:
            left = tx.run_for_row_count("forget_left_credentials")
            return left + tx.run_for_row_count("forget_pending_connections")

    @contextmanager
    def _held(self, own: AccountOfCaller) -> Iterator[_Held]:
        with self._database.transaction() as tx:
            found = tx.run("lock_caller_account", account_id=own.id, user_id=own.user_id)
            if not found:
                raise AccountNotFound("The user has no account of this id.")
            status, failures = found[0]
            yield _Held(tx, own.id, status, failures)


def _unknown_folders(held: _Held, choices: Mapping[FolderId, bool]) -> frozenset[FolderId]:
    ids = to_json(list(choices))
    found = held.tx.run("existing_folders", account_id=held.account_id, ids=ids)
    return frozenset(choices) - {FolderId(each) for (each,) in found}


def _select(held: _Held, choices: Mapping[FolderId, bool]) -> bool:
    """Store the selection; return whether it differs from the one before."""
    chosen = to_json([{"id": each, "selected": selected} for each, selected in choices.items()])
    return bool(held.tx.run("select_folders", account_id=held.account_id, choices=chosen))


def _forget_access(held: _Held) -> None:
    held.tx.run("forget_credentials", account_id=held.account_id)
    held.tx.run("forget_subscription", account_id=held.account_id)


def _stop(held: _Held, why: str) -> RunId | None:
    """End the open run; return its id. The next sync comes when it would have come without this
    run."""
    found = held.tx.run("find_open_run", account_id=held.account_id)
    if not found:
        held.tx.run("break_check", account_id=held.account_id, checker=CHECK_FUNCTION_NAME)
        return None
    run_id = RunId(found[0][0])
    held.tx.run("forget_stopped_runs", account_id=held.account_id)
    close_run(held.tx, run_id, "cancelled", EXECUTION_STOPPED, why)
    jitter = random()  # noqa: S311
    wait_s = seconds_until_sync_after_failure(
        failures=held.failures, cause=EXECUTION_STOPPED, jitter=jitter
    )
    held.tx.run("account_stopped", account_id=held.account_id, next_in_s=wait_s)
    add_outbox_event(held.tx, held.account_id, "sync.cancelled", run_id)
    return run_id
