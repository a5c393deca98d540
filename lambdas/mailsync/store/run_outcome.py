"""Record the outcome of a run on the run and its account, and add an event about the outcome to the
outbox.

All functions work in the caller's transaction.
"""

from random import random
from typing import Any

from mailsync.decisions.due import (
    ERROR_NAMES_THAT_CLOSE_ACCOUNT,
    SUSPICIOUS_REMOVAL_ERROR_NAME,
    VERIFICATION_FAILED_ERROR_NAME,
    seconds_until_sync_after_failure,
    seconds_until_sync_after_success,
)
from mailsync.model import AccountId, RunId, RunRef
from mailsync.store.connection import Transaction
from mailsync.store.removal_store import hidden_mail_summary_of_account
from mailsync.store.rows import to_jsonb


def save_run_outcome(
    tx: Transaction,
    run_id: RunId,
    status: str,
    error: str | None,
    text: str | None,
    *,
    requests: int = 0,
) -> bool:
    """Set the outcome of a run (its status, error name and message), and close its unfinished
    folders. Return False, without changing anything, if the run has an outcome already.

    requests: number of requests to the provider since the run's last heartbeat.
    """
    return bool(
        tx.run(
            "finish_run",
            run_id=run_id,
            status=status,
            error=error,
            error_message=text,
            requests=requests,
        )
    )


def complete_or_fail_run(tx: Transaction, run: RunRef, *, requests: int = 0) -> bool | None:
    """Complete a run whose folders are all verified: schedule the next sync, and add the event
    `sync.completed` to the outbox. Close any other run as failed. Return whether a completed run
    has stored every message that the provider named. Return None if the run was closed as failed.

    requests: see `save_run_outcome`.
    """
    [[unverified, *news]] = tx.run("run_end", run_id=run.run_id)
    if unverified:
        _fail_run_with_unverified_folders(tx, run, unverified)
        return None
    has_news, is_pushed, has_changed, unchanged_for_s, are_pending = news
    wait_s = seconds_until_sync_after_success(
        has_news=has_news,
        is_pushed=is_pushed,
        unchanged_for_s=0.0 if has_changed else unchanged_for_s,
        jitter=random(),  # noqa: S311
    )
    removal = hidden_mail_summary_of_account(tx, run.account_id)
    tx.run(
        "account_completed",
        account_id=run.account_id,
        run_id=run.run_id,
        has_changed=has_changed,
        next_in_s=wait_s,
        error=SUSPICIOUS_REMOVAL_ERROR_NAME if removal.is_unconfirmed_mass_removal else None,
        error_message=removal.explanation_for_user if removal.is_unconfirmed_mass_removal else None,
    )
    save_run_outcome(tx, run.run_id, "completed", None, None, requests=requests)
    proven = not are_pending
    add_outbox_event(tx, run.account_id, "sync.completed", run.run_id, proven=proven)
    return proven


def has_run_stored_all_pending_messages(tx: Transaction, run: RunRef) -> bool:
    """Return whether a completed run has stored every message that the provider named. Return False
    if a named message of the account is still pending (its contents were not fetched yet)."""
    [[are_pending]] = tx.run("messages_are_pending", account_id=run.account_id)
    return not are_pending


def _fail_run_with_unverified_folders(tx: Transaction, run: RunRef, folders: int) -> None:
    """Close a run as failed because some folders could not be verified; `folders` is their
    number."""
    [[owner]] = tx.run("lease_owner", account_id=run.account_id)
    fail_run(
        tx,
        run.account_id,
        run.run_id,
        owner=owner,
        error=VERIFICATION_FAILED_ERROR_NAME,
        message=f"Folders that could not be verified: {folders}. What is stored stays.",
    )


def fail_run(
    tx: Transaction,
    account_id: AccountId,
    run_id: RunId,
    *,
    owner: str,
    error: str,
    message: str,
    execution_name: str | None = None,
) -> bool | None:
    """Set the outcome of a run to failed, and release the lease of the mailbox if `owner` holds it.

    Returns whether the failure closes the account. Returns None, without changing anything, if the
    run has an outcome already or another execution goes on with the run. The caller counts the
    failure in the metrics after the commit.

    owner: ARN of an execution, or LEASE_OWNER_OF_CHECKS.
    execution_name: name of the execution that ended. None: the caller has checked that it holds the
        lease.
    """
    held = tx.run("lock_account_of_run", run_id=run_id)
    if execution_name is not None and tx.run(
        "foreign_run", run_id=run_id, execution_name=execution_name
    ):
        return None
    if not held or not save_run_outcome(tx, run_id, "failed", error, message):
        return None
    [(failures, status, is_connected_anew, is_removal_confirmed)] = held
    # The account was connected again during the run, so it has other credentials now.
    is_outdated = error in ERROR_NAMES_THAT_CLOSE_ACCOUNT and is_connected_anew
    needs_person = error in ERROR_NAMES_THAT_CLOSE_ACCOUNT and not is_outdated
    # The run may have requested the hidden messages before a person confirmed their removal.
    is_due = is_outdated or (is_removal_confirmed and not needs_person)
    wait_s = seconds_until_sync_after_failure(failures=failures + 1, cause=error, jitter=random())  # noqa: S311
    changed = tx.run(
        "account_failed",
        account_id=account_id,
        owner=owner,
        error=error,
        error_message=message,
        needs_person=needs_person,
        next_in_s=0.0 if is_due else wait_s,
    )
    add_outbox_event(tx, account_id, "sync.failed", run_id, error=error)
    closes = bool(changed) and needs_person and status == "active"
    if closes:
        add_outbox_event(tx, account_id, "account.reauth_required", run_id, error=error)
    return closes


def add_outbox_event(
    tx: Transaction, account_id: AccountId, kind: str, run_id: RunId, **facts: Any
) -> None:
    """Add an event to the outbox. The event is published after this transaction commits."""
    detail = to_jsonb({"schemaVersion": 1, "accountId": account_id, "runId": run_id, **facts})
    tx.run("add_to_outbox", account_id=account_id, type=kind, run_id=run_id, detail=detail)
