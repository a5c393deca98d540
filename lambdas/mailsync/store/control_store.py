"""What a person may do with an account: stop its sync, pause it, choose folders, take it away.

Every method is one transaction that begins by holding the account, and only if it is this
user's; a sync that still works meanwhile has lost its lease before the transaction ends.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import random

from mailsync.decisions.due import EXECUTION_STOPPED, SUSPICIOUS_REMOVAL, next_sync_in_s
from mailsync.errors import AccountNotFound
from mailsync.model import AccountId, FolderId, RunId
from mailsync.store.connection import Database, Transaction
from mailsync.store.lease_store import CHECKER
from mailsync.store.mail_store import DELETE_BATCH
from mailsync.store.removal_store import Removal, removal_of, schedule_removal
from mailsync.store.rows import to_json
from mailsync.store.run_outcome import announce, close_run

RUNS_DELETE_BATCH = 500

_CHANGED = "The account was paused or its choice of folders changed; what is stored stays."


@dataclass(frozen=True, slots=True)
class AccountOfCaller:
    """An account as the user who asks names it; whether it is his, the store finds out."""

    id: AccountId
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`stopped` is the run that was ended for it. Nothing was changed when the account's status
    is in the way (`conflict`) or folders are not the account's (`unknown`)."""

    stopped: RunId | None = None
    conflict: str | None = None
    unknown: frozenset[FolderId] = frozenset()


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

    def cancel(self, own: AccountOfCaller) -> RunId | None:
        """Ends the open run as `cancelled`; None when there is none."""
        with self._held(own) as held:
            return _stop(held, "A person stopped the sync; what is stored stays.")

    def change(
        self, own: AccountOfCaller, paused: bool | None, choices: Mapping[FolderId, bool]
    ) -> Change:
        """Pauses or resumes (None: neither), and chooses which folders are mirrored.

        All of it or, when there is a reason against it, nothing. Pausing and another choice stop
        the open run, since a run works with one selection from beginning to end.
        """
        with self._held(own) as held:
            if paused is not None and held.status not in ("active", "paused"):
                return Change(conflict=held.status)
            if unknown := _unknown_folders(held, choices):
                return Change(unknown=unknown)
            chosen = bool(choices) and _select(held, choices)
            pausing = paused is True and held.status == "active"
            stopped = _stop(held, _CHANGED) if chosen or pausing else None
            if paused is not None:
                status = "paused" if paused else "active"
                held.tx.run("set_account_status", account_id=held.account_id, status=status)
            if chosen or (paused is False and held.status == "paused"):
                held.tx.run("make_due", account_id=held.account_id)
        return Change(stopped=stopped)

    def confirm_removal(self, own: AccountOfCaller) -> Removal | None:
        """Note that most of the mailbox is meant to be gone; return what goes, None: not that much.

        Messages of which the provider says so again, at least two hours after it first did, are
        deleted by the next sync, which is due at once. What goes later is not confirmed by this.
        """
        with self._held(own) as held:
            removal = removal_of(held.tx, held.account_id)
            if removal.is_suspicious:
                if not held.tx.run("find_open_run", account_id=held.account_id):
                    held.tx.run("break_check", account_id=held.account_id, checker=CHECKER)
                held.tx.run("confirm_removal", account_id=held.account_id, error=SUSPICIOUS_REMOVAL)
                removal = removal_of(held.tx, held.account_id)
                schedule_removal(held.tx, held.account_id, removal)
        return removal if removal.is_large else None

    def disconnect(self, own: AccountOfCaller) -> RunId | None:
        """What it signs in with is deleted, its mail stays; returns the run that was stopped.

        What is being renewed at this moment is deleted by `forget_left_access`. Its provider's
        notifications are ignored from now on.
        """
        with self._held(own) as held:
            stopped = _stop(held, "The account was disconnected; what is stored stays.")
            _forget_access(held)
            held.tx.run("set_account_status", account_id=held.account_id, status="disconnected")
        return stopped

    def begin_purge(self, own: AccountOfCaller) -> RunId | None:
        """Nobody's account from now on, to be deleted by `purge_batch`; returns the stopped run."""
        with self._held(own) as held:
            stopped = _stop(held, "The account was purged.")
            _forget_access(held)
            held.tx.run("disown_account", account_id=held.account_id)
        return stopped

    def purging(self) -> tuple[AccountId, ...]:
        """Accounts that are being deleted, the oldest first."""
        with self._database.transaction() as tx:
            return tuple(AccountId(each) for (each,) in tx.run("purging_accounts"))

    def purge_batch(self, account_id: AccountId) -> bool:
        """Deletes mail or runs of an account that is being purged; whether any may be left."""
        with self._database.transaction() as tx:
            if tx.changed("purge_emails", account_id=account_id, limit=DELETE_BATCH):
                return True
            return tx.changed("purge_runs", account_id=account_id, limit=RUNS_DELETE_BATCH) > 0

    def purge_rest(self, account_id: AccountId) -> bool:
        """What is left after the pieces; False while its access is being renewed."""
        with self._database.transaction() as tx:
            tx.run("lock_account", account_id=account_id)
            return bool(tx.run("purge_account", account_id=account_id))

    def forget_left_access(self) -> int:
        """Delete tokens that are no longer needed, and return how many.

        Those of accounts that were disconnected or purged while they were being renewed, and those
        of mailboxes that were not confirmed in time.
        """
        with self._database.transaction() as tx:
            left = tx.changed("forget_left_credentials")
            return left + tx.changed("forget_pending_connections")

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
    """Whether the choice is another one than before."""
    chosen = to_json([{"id": each, "selected": selected} for each, selected in choices.items()])
    return bool(held.tx.run("select_folders", account_id=held.account_id, choices=chosen))


def _forget_access(held: _Held) -> None:
    held.tx.run("forget_credentials", account_id=held.account_id)
    held.tx.run("forget_subscription", account_id=held.account_id)


def _stop(held: _Held, why: str) -> RunId | None:
    """The next sync comes as if this one had not been: as late as the failures before it say."""
    found = held.tx.run("find_open_run", account_id=held.account_id)
    if not found:
        held.tx.run("break_check", account_id=held.account_id, checker=CHECKER)
        return None
    run_id = RunId(found[0][0])
    held.tx.run("forget_stopped_runs", account_id=held.account_id)
    close_run(held.tx, run_id, "cancelled", EXECUTION_STOPPED, why)
    wait_s = next_sync_in_s(failures=held.failures, cause=EXECUTION_STOPPED, jitter=random())  # noqa: S311
    held.tx.run("account_stopped", account_id=held.account_id, next_in_s=wait_s)
    announce(held.tx, held.account_id, "sync.cancelled", run_id)
    return run_id
