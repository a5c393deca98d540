"""Store the changes that a user makes to an account: stop a sync, pause, select folders,
disconnect, purge.

A method for a user's request locks the account first, and changes only accounts of this user. A
method that stops the open run also ends its lease in the same transaction, so that the run can
write nothing more.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import random

from mailsync.decisions.due import (
    EXECUTION_STOPPED_ERROR_NAME,
    SUSPICIOUS_REMOVAL_ERROR_NAME,
    seconds_until_sync_after_failure,
)
from mailsync.errors import AccountNotFound
from mailsync.model import AccountId, FolderId, RunId
from mailsync.store.connection import Database, Transaction
from mailsync.store.lease_store import LEASE_OWNER_OF_CHECKS
from mailsync.store.mail_store import MESSAGES_PER_DELETE_BATCH
from mailsync.store.removal_store import (
    MailPendingDeletionSummary,
    hidden_mail_summary_of_account,
    schedule_recheck_before_deletion,
)
from mailsync.store.rows import to_jsonb
from mailsync.store.run_outcome import add_outbox_event, save_run_outcome

RUNS_PER_DELETE_BATCH = 500
CONVERSATION_KEY_ROWS_PER_DELETE_BATCH = 10_000

_CHANGED = "The account was paused or its choice of folders changed; what is stored stays."


@dataclass(frozen=True, slots=True)
class AccountOfRequestingUser:
    """The id of an account, with the id of the user who sent the request. The store checks that the
    account belongs to this user."""

    account_id: AccountId
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChangeResult:
    """The result of `AccountControlStore.change_pause_and_folder_selection`.

    stopped_run_id: run that the change stopped. None: the change stopped no run.
    account_status_forbidding_change: the account's status, if it forbids the change, so that
        nothing was changed. None: there is no conflict.
    unknown_folder_ids: requested folders that the account does not have. If there are any, nothing
        was changed.
    """

    stopped_run_id: RunId | None = None
    account_status_forbidding_change: str | None = None
    unknown_folder_ids: frozenset[FolderId] = frozenset()


@dataclass(frozen=True, slots=True)
class _Held:
    tx: Transaction
    account_id: AccountId
    status: str
    failures: int


class AccountControlStore:
    """Stores the changes that users make to their accounts; every method is one transaction.

    Raises StoreUnavailable and StoreRejected, and AccountNotFound for an account of another user.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def cancel_open_run(self, own: AccountOfRequestingUser) -> RunId | None:
        """Close the account's open run as `cancelled` and return its id. None: no run is open."""
        with self._held(own) as held:
            return _stop(held, "A person stopped the sync; what is stored stays.")

    def change_pause_and_folder_selection(
        self, own: AccountOfRequestingUser, paused: bool | None, choices: Mapping[FolderId, bool]
    ) -> AccountChangeResult:
        """Pause or resume the account, and select which folders are mirrored. Either all requested
        changes are applied or none.

        A pause or a new selection stops the open run, because a run uses one selection of folders
        from its beginning to its end.

        paused: whether to pause the account. None: leave it unchanged.
        choices: for each named folder, whether to mirror it.
        """
        with self._held(own) as held:
            if paused is not None and held.status not in ("active", "paused"):
                return AccountChangeResult(account_status_forbidding_change=held.status)
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

    def confirm_hidden_mail_removal(
        self, own: AccountOfRequestingUser
    ) -> MailPendingDeletionSummary | None:
        """Record that the user confirms the removal of the hidden messages that the provider
        reports as gone. Make the next sync due immediately, or at the end of the running sync.

        Returns how much mail is being removed. Returns None, without recording anything, if less
        than most of the mailbox is being removed. The next sync deletes each message that the
        provider reports as gone for the second time, at least two hours after the first time.
        Messages that are removed later need another confirmation.
        """
        with self._held(own) as held:
            removal = hidden_mail_summary_of_account(held.tx, held.account_id)
            if removal.is_unconfirmed_mass_removal:
                if not held.tx.run("find_open_run", account_id=held.account_id):
                    held.tx.run(
                        "break_check", account_id=held.account_id, checker=LEASE_OWNER_OF_CHECKS
                    )
                held.tx.run(
                    "confirm_removal",
                    account_id=held.account_id,
                    error=SUSPICIOUS_REMOVAL_ERROR_NAME,
                )
                removal = hidden_mail_summary_of_account(held.tx, held.account_id)
                schedule_recheck_before_deletion(held.tx, held.account_id, removal)
        return removal if removal.is_mass_removal else None

    def disconnect_account(self, own: AccountOfRequestingUser) -> RunId | None:
        """Delete the account's credentials and keep its mail. Return the id of the run that this
        stopped; None if no run was open.

        If a worker is renewing the credentials, `delete_credentials_of_unconnected_accounts`
        deletes them later. Notifications of the provider for this account no longer have an effect.
        """
        with self._held(own) as held:
            stopped = _stop(held, "The account was disconnected; what is stored stays.")
            _forget_access(held)
            held.tx.run("set_account_status", account_id=held.account_id, status="disconnected")
        return stopped

    def begin_purge(self, own: AccountOfRequestingUser) -> RunId | None:
        """Mark the account for deletion, hide it from its user, and delete its credentials. Return
        the id of the run that this stopped; None if no run was open."""
        with self._held(own) as held:
            stopped = _stop(held, "The account was purged.")
            _forget_access(held)
            held.tx.run("disown_account", account_id=held.account_id)
        return stopped

    def list_accounts_to_purge(self) -> tuple[AccountId, ...]:
        """Return the ids of the accounts that are marked for deletion, ordered by the time of the
        mark, the earliest first."""
        with self._database.transaction() as tx:
            return tuple(AccountId(each) for (each,) in tx.run("purging_accounts"))

    def delete_batch_of_account_data(self, account_id: AccountId) -> bool:
        """Delete one batch of the account's data; return whether more data may remain.

        Messages are deleted first. Later calls delete the keys that connect messages to
        conversations, and then the runs.
        """
        with self._database.transaction() as tx:
            own = {"account_id": account_id}
            return bool(
                tx.run_returning_row_count("purge_emails", **own, limit=MESSAGES_PER_DELETE_BATCH)
                or tx.run_returning_row_count(
                    "purge_conversations", **own, limit=CONVERSATION_KEY_ROWS_PER_DELETE_BATCH
                )
                or tx.run_returning_row_count("purge_runs", **own, limit=RUNS_PER_DELETE_BATCH)
            )

    def delete_row_of_purged_account(self, account_id: AccountId) -> bool:
        """Delete the row of an account whose mail and runs were deleted before. Return False,
        without deleting the row, while a worker renews the account's access token."""
        with self._database.transaction() as tx:
            tx.run("lock_account", account_id=account_id)
            return bool(tx.run("purge_account", account_id=account_id))

    def delete_credentials_of_unconnected_accounts(self) -> int:
        """Delete stored credentials that belong to no connected account any more; return the number
        of deleted rows.

        Such credentials belong to accounts that were disconnected or purged while a worker renewed
        the access token, and to mailboxes whose connection was not confirmed in time.
        """
        with self._database.transaction() as tx:
            left = tx.run_returning_row_count("forget_left_credentials")
            return left + tx.run_returning_row_count("forget_pending_connections")

    @contextmanager
    def _held(self, own: AccountOfRequestingUser) -> Iterator[_Held]:
        with self._database.transaction() as tx:
            found = tx.run("lock_caller_account", account_id=own.account_id, user_id=own.user_id)
            if not found:
                raise AccountNotFound("The user has no account of this id.")
            status, failures = found[0]
            yield _Held(tx, own.account_id, status, failures)


def _unknown_folders(held: _Held, choices: Mapping[FolderId, bool]) -> frozenset[FolderId]:
    ids = to_jsonb(list(choices))
    found = held.tx.run("existing_folders", account_id=held.account_id, ids=ids)
    return frozenset(choices) - {FolderId(each) for (each,) in found}


def _select(held: _Held, choices: Mapping[FolderId, bool]) -> bool:
    """Store the selection of folders; return whether it differs from the stored selection."""
    chosen = to_jsonb([{"id": each, "selected": selected} for each, selected in choices.items()])
    return bool(held.tx.run("select_folders", account_id=held.account_id, choices=chosen))


def _forget_access(held: _Held) -> None:
    held.tx.run("forget_credentials", account_id=held.account_id)
    held.tx.run("forget_subscription", account_id=held.account_id)


def _stop(held: _Held, why: str) -> RunId | None:
    """Close the open run as cancelled, and schedule the next sync. Return the run's id. The stopped
    run does not count as a failure. None: no run is open; a check without a run loses its lease."""
    found = held.tx.run("find_open_run", account_id=held.account_id)
    if not found:
        held.tx.run("break_check", account_id=held.account_id, checker=LEASE_OWNER_OF_CHECKS)
        return None
    run_id = RunId(found[0][0])
    held.tx.run("forget_stopped_runs", account_id=held.account_id)
    save_run_outcome(held.tx, run_id, "cancelled", EXECUTION_STOPPED_ERROR_NAME, why)
    jitter = random()  # noqa: S311
    wait_s = seconds_until_sync_after_failure(
        failures=held.failures, cause=EXECUTION_STOPPED_ERROR_NAME, jitter=jitter
    )
    held.tx.run("account_stopped", account_id=held.account_id, next_in_s=wait_s)
    add_outbox_event(held.tx, held.account_id, "sync.cancelled", run_id)
    return run_id
