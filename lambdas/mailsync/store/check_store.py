"""Store checks. A check is the scheduled inspection of a due mailbox; it creates no run if there is
nothing new.

A check holds the lease of the mailbox under an epoch of its own, so its writes are fenced. An
execution may take the lease from a check that has no run. Once a check has opened a run, only the
execution of that run may take the lease. So users and other workers never wait for a check, and an
execution continues what a check cannot finish.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import random
from typing import Any

from mailsync.decisions.due import (
    RECHECK_DELAY_AFTER_NOTIFIED_CHECK_S,
    seconds_until_sync_after_failure,
    seconds_until_sync_after_success,
)
from mailsync.decisions.verify import FolderCounts
from mailsync.errors import LeaseLost
from mailsync.metrics import add_failed_run_to_metrics
from mailsync.model import (
    Account,
    AccountId,
    Credentials,
    FolderId,
    FolderTreeReadingMode,
    MessageListing,
    RunId,
    RunRef,
    SealedSecret,
    StoredFeed,
    StoredFolder,
    SyncType,
)
from mailsync.store.account_store import row_to_account
from mailsync.store.connection import Database, Transaction
from mailsync.store.credential_store import row_to_credentials
from mailsync.store.folder_store import (
    GONE_FOLDER_SQL_TIME_LIMITS_S,
    listing_counts_to_sql_parameters,
    row_to_stored_folder,
)
from mailsync.store.lease_store import LEASE_LIFETIME_S, LEASE_OWNER_OF_CHECKS
from mailsync.store.rows import to_jsonb
from mailsync.store.run_outcome import fail_run

CHECK_LEASE_LIFETIME_S = 60
"""The lifetime in seconds of the lease that a check holds. It is longer than a check lasts, and
ends before Lambda retries an invocation that died."""
RUN_TRIGGER_NAME_OF_CHECKS = "schedule"


@dataclass(frozen=True, slots=True)
class Check:
    """The state of a mailbox at the beginning of a check.

    is_mailbox_fully_verified: whether the last sync left nothing to do. The sync verified every
        folder without a contradiction. No message or folder must be requested by its id now. No
        mail of an unmirrored folder is stored. No feed must return now to its first kind
        (`FeedStore.switch_fallback_feeds_to_preferred_kind`).
    has_push_notifications: whether the mailbox has a push subscription that has not expired, and a
        notification arrived within the last day.
    time_since_last_stored_change_s: seconds since a sync last changed a row.
    time_since_last_sync_s: seconds since the last sync, or 0 if there was no sync yet.
    folder_tree_read_at: when every folder that the provider lists was last read
        (FolderTreeReadingMode ALL_LISTED_FOLDERS or LISTED_AND_HIDDEN_FOLDERS). None: never.
    hidden_remote_folders_read_at: when the folders that the provider hides were last read
        (FolderTreeReadingMode LISTED_AND_HIDDEN_FOLDERS). None: never.
    successive_failed_sync_count: number of failed syncs since the last successful one.
    message_counts_by_folder_id: for each folder, the stored counts, and the provider's counts when
        the folder tree was last read.
    """

    run_ref: RunRef
    account: Account
    check_began_at: datetime
    is_mailbox_fully_verified: bool
    has_push_notifications: bool
    time_since_last_stored_change_s: float
    time_since_last_sync_s: float
    folder_tree_read_at: datetime | None
    hidden_remote_folders_read_at: datetime | None
    successive_failed_sync_count: int
    stored_folders: tuple[StoredFolder, ...]
    message_counts_by_folder_id: Mapping[FolderId, FolderCounts]
    credentials: Credentials | None

    @property
    def is_account_closed(self) -> bool:
        """Return whether the account is closed. The check of a closed account first tries to get an
        access token."""
        return self.account.status != "active"


@dataclass(frozen=True, slots=True)
class UnchangedMailboxCheckResult:
    """The result of a check that found nothing new in the mailbox.

    new_cursor_by_feed: for each change feed that was read, the new cursor. None: the provider
        returned the old cursor again.
    message_listing_by_folder_id: for each folder whose message ids were compared, the provider's
        complete listing, which equals the stored messages.
    is_list_of_folders_complete: whether the provider listed every folder with its counts.
    folder_tree_reading_mode: how much of the folder tree was read.
    """

    new_cursor_by_feed: Mapping[StoredFeed, SealedSecret | None] = field(default_factory=dict)
    compared_listing_by_folder_id: Mapping[FolderId, MessageListing] = field(default_factory=dict)
    is_list_of_folders_complete: bool = True
    folder_tree_reading_mode: FolderTreeReadingMode = FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS


class CheckStore:
    """Stores checks of mailboxes, from the lease to the result; every method is one transaction.

    Raises StoreUnavailable and StoreRejected. Methods that end or change a check also raise
    LeaseLost if an execution has taken the lease, or if a user has changed the account.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin_check(self, account_id: AccountId, run_id: RunId) -> Check | None:
        """Take the lease of a mailbox for a check, and return the state of the mailbox.

        Returns None if the account must not be synced, if another worker holds the lease, or if the
        account has an open run.
        """
        with self._database.transaction() as tx:
            found = tx.run(
                "begin_check",
                account_id=account_id,
                checker=LEASE_OWNER_OF_CHECKS,
                seconds=CHECK_LEASE_LIFETIME_S,
                **GONE_FOLDER_SQL_TIME_LIMITS_S,
            )
            if not found:
                return None
            folders = tx.run("checked_folders", account_id=account_id)
        [[_, epoch, *row]] = found
        state, has_credentials, credentials = row[:-11], row[-11], row[-10:]
        *account, began_at, is_fully_verified, is_pushed, unchanged_for_s, since_s = state[:-3]
        whole, thorough, failures = state[-3:]
        return Check(
            run_ref=RunRef(account_id, run_id, int(epoch)),
            account=row_to_account([account_id, *account]),
            check_began_at=began_at,
            is_mailbox_fully_verified=is_fully_verified,
            has_push_notifications=is_pushed,
            time_since_last_stored_change_s=unchanged_for_s,
            time_since_last_sync_s=since_s,
            folder_tree_read_at=whole,
            hidden_remote_folders_read_at=thorough,
            successive_failed_sync_count=failures,
            stored_folders=tuple(row_to_stored_folder(row[:-6]) for row in folders),
            message_counts_by_folder_id={FolderId(row[0]): _count(row) for row in folders},
            credentials=row_to_credentials(credentials) if has_credentials else None,
        )

    def end_check_of_unchanged_mailbox(
        self, check: Check, end: UnchangedMailboxCheckResult
    ) -> None:
        """End a check that found nothing new. Record the mailbox as verified if the provider listed
        every folder with its counts and no message is pending."""
        wait_s = seconds_until_sync_after_success(
            has_news=False,
            is_pushed=check.has_push_notifications,
            unchanged_for_s=check.time_since_last_stored_change_s,
            jitter=random(),  # noqa: S311
        )
        with self._database.transaction() as tx:
            ended = tx.run(
                "end_check",
                **_fence(check),
                began_at=check.check_began_at,
                next_in_s=wait_s,
                recheck_s=float(RECHECK_DELAY_AFTER_NOTIFIED_CHECK_S),
                cursors=_cursor_rows(end.new_cursor_by_feed),
                compared=_compared_rows(end.compared_listing_by_folder_id),
                is_whole=end.is_list_of_folders_complete,
                is_tree_read=end.is_list_of_folders_complete
                and end.folder_tree_reading_mode
                is not FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS,
                is_thorough=end.folder_tree_reading_mode
                is FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS,
            )
            _demand(ended, check)

    def create_run_of_check(self, check: Check) -> bool:
        """Create a run for the check. Other requests for a sync of the mailbox then join this run.

        Returns False if another run was requested in the meantime; the check must then stop.
        """
        with self._database.transaction() as tx:
            _demand(tx.run("keep_checked", **_fence(check), seconds=LEASE_LIFETIME_S), check)
            if not _open_run(tx, check):
                tx.run("release_check", **_fence(check))
                return False
        return True

    def hand_over_run_to_execution(self, check: Check) -> bool:
        """Give the check's run to an execution. If the check has no run yet, create the run. The
        caller starts the execution afterwards; from now on the check cannot write.

        Returns False if another run was requested in the meantime.
        """
        with self._database.transaction() as tx:
            _demand(tx.run("release_check", **_fence(check)), check)
            if tx.run_returning_row_count("hand_over_run", run_id=check.run_ref.run_id):
                return True
            enqueued = tx.run(
                "enqueue_run",
                account_id=check.run_ref.account_id,
                run_id=check.run_ref.run_id,
                sync_type=SyncType.AUTOMATIC,
                folder_ids=None,
                trigger=RUN_TRIGGER_NAME_OF_CHECKS,
                idempotency_key=None,
            )
            tx.run("show_open_run", account_id=check.run_ref.account_id)
            return bool(enqueued)

    def fail_run_of_check(self, check: Check, error: str, message: str) -> None:
        """Close the check's run as failed with this error name and message. If the check has no run
        yet, create the run first. A run that already has an outcome does not change."""
        run = check.run_ref
        with self._database.transaction() as tx:
            _demand(tx.run("keep_checked", **_fence(check), seconds=CHECK_LEASE_LIFETIME_S), check)
            _open_run(tx, check)
            closes = fail_run(
                tx,
                run.account_id,
                run.run_id,
                owner=LEASE_OWNER_OF_CHECKS,
                error=error,
                message=message,
            )
        add_failed_run_to_metrics(error, closes_account=bool(closes))

    def activate_closed_account(self, check: Check) -> None:
        """Set a closed account to active, because an access token is available again. The check
        keeps its lease."""
        with self._database.transaction() as tx:
            _demand(tx.run("reopen_account", **_fence(check)), check)

    def end_check_of_closed_account(self, check: Check, message: str | None) -> None:
        """End the check of a closed account: release its lease and postpone its next check. Each
        failed check makes the delay longer.

        message: why no access token is available. None: keep the stored reason.
        """
        jitter = random()  # noqa: S311
        wait_s = seconds_until_sync_after_failure(
            failures=check.successive_failed_sync_count + 1, cause=None, jitter=jitter
        )
        with self._database.transaction() as tx:
            left = tx.run("stay_closed", **_fence(check), error_message=message, next_in_s=wait_s)
            _demand(left, check)


def _fence(check: Check) -> dict[str, Any]:
    run = check.run_ref
    return {
        "account_id": run.account_id,
        "epoch": run.lease_epoch,
        "checker": LEASE_OWNER_OF_CHECKS,
    }


def _demand(found: list[list[Any]], check: Check) -> None:
    if not found:
        raise LeaseLost(f"Account {check.run_ref.account_id}: an execution owns the mailbox now.")


def _open_run(tx: Transaction, check: Check) -> bool:
    return bool(
        tx.run(
            "open_check_run",
            run_id=check.run_ref.run_id,
            account_id=check.run_ref.account_id,
            sync_type=SyncType.AUTOMATIC,
            trigger=RUN_TRIGGER_NAME_OF_CHECKS,
            began_at=check.check_began_at,
        )
    )


def _count(row: list[Any]) -> FolderCounts:
    """Return the counts in a row of `checked_folders`."""
    remote, remote_unread = row[-10], row[-9]
    stored, unread, offset, unread_offset, compared_at, quarantined = row[-6:]
    return FolderCounts(
        remote_total=remote,
        stored_total=stored,
        quarantined_message_count=quarantined,
        remote_unread=remote_unread,
        stored_unread=unread,
        remote_total_overcount=offset,
        remote_unread_overcount=unread_offset,
        message_ids_compared_at=compared_at,
    )


def _cursor_rows(cursors: Mapping[StoredFeed, SealedSecret | None]) -> Any:
    def row(feed: StoredFeed, sealed: SealedSecret | None) -> dict[str, Any]:
        return {
            "feed_id": feed.ref.id,
            "walk": feed.position.full_sync_generation,
            "key_id": sealed.key_id if sealed else None,
            "cursor": base64.b64encode(sealed.sealed_bytes).decode() if sealed else None,
        }

    return to_jsonb([row(*each) for each in cursors.items()])


def _compared_rows(compared: Mapping[FolderId, MessageListing]) -> Any:
    entries = [
        {"folder_id": folder_id, **listing_counts_to_sql_parameters(listing)}
        for folder_id, listing in compared.items()
    ]
    return to_jsonb(entries)
