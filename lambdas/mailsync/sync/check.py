"""Check one due mailbox, and sync it completely if that is little work.

A check does the same work as the states of the workflow. If it needs more time or has to wait, an
execution of the workflow continues its run.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import uuid4

from mailsync.decisions.check import (
    MAX_MAILBOX_FOLDERS_FOR_CHECK,
    WorkFoundByCheck,
    classify_work_found_by_check,
)
from mailsync.decisions.folders import diff_folders
from mailsync.decisions.freshness import choose_folder_tree_reading_mode
from mailsync.decisions.verify import (
    MAX_COMPARED_MESSAGES_PER_CHECK,
    FolderCounts,
    find_folders_due_for_comparison,
)
from mailsync.errors import (
    AccessRevoked,
    FolderGone,
    LeaseLost,
    MailsyncError,
    ProviderThrottled,
    ProviderUnavailable,
    StoreUnavailable,
)
from mailsync.log import logger
from mailsync.model import (
    AccountId,
    FolderId,
    FolderTreeReadingMode,
    MessageListing,
    RunId,
    SealedSecret,
    StoredFeed,
    distinct_feeds_of_folders,
)
from mailsync.store.check_store import Check, CheckStore, UnchangedMailboxCheckResult
from mailsync.store.connection import Database
from mailsync.store.placement_store import PlacementBackfillStore
from mailsync.sync.folder_tree import (
    MailboxSnapshot,
    read_folder_tree_and_next_pages_of_feeds,
    sync_folders,
)
from mailsync.sync.mailbox import (
    Mailbox,
    require_no_provider_pause,
    save_provider_throttling_on_exit,
)
from mailsync.sync.repair import compare_folder
from mailsync.sync.verification import recount_messages_and_verify_folders

TRANSIENT_ERRORS = (ProviderThrottled, ProviderUnavailable, StoreUnavailable)
"""The errors that may disappear by themselves, and that the workflow therefore retries."""


_UNEXPECTED = (
    "An unexpected error in Mailsync; the function's log has it. The mail stays, and the next sync"
    " tries again."
)


class CheckOutcome(StrEnum):
    """How the check of one mailbox ended."""

    NOTHING_NEW = "idle"
    SYNCED = "synced"
    HANDED_TO_EXECUTION = "handedOver"
    FAILED = "failed"
    LEASE_UNAVAILABLE = "busy"
    """Another worker holds the lease of the mailbox, or has requested it."""
    FAILED_WITHOUT_DATABASE_RECORD = "lost"
    """The check failed, and its failure could not be stored either. The claim on the mailbox ends
    after its lifetime."""
    ACCESS_STILL_REFUSED = "closed"
    """The account is closed, and there is still no access token for it."""
    TOO_LITTLE_TIME = "putBack"
    """The mailbox was not checked, and is due again."""


@dataclass(frozen=True, slots=True)
class CheckOutcomeAndCost:
    """The outcome of the check of one mailbox, and the cost of the check.

    request_count: number of requests to the provider.
    database_round_trip_count: number of round trips to the database.
    duration_s: duration of the check in seconds.
    """

    outcome: CheckOutcome
    request_count: int = 0
    database_round_trip_count: int = 0
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckWorker:
    """The resources of one thread that checks mailboxes. Each thread has its own database
    connection.

    open_mailbox: function that opens the mailbox of a check.
    start_execution_of_run: function that starts the execution of a run.
    """

    database: Database
    open_mailbox: Callable[[Check], AbstractContextManager[Mailbox]]
    start_execution_of_run: Callable[[AccountId, RunId], None]

    @property
    def store_of_checks(self) -> CheckStore:
        return CheckStore(self.database)


def check_account(
    worker: CheckWorker, account_id: AccountId, remaining_s: Callable[[], float]
) -> CheckOutcomeAndCost:
    """Check a mailbox, and sync it if the check finds few changes. Return how the check ended;
    never raise an error.

    After a transient error (of the provider or the database), or if a folder disappears during the
    check, an execution continues the sync. Any other error closes the run of the sync as failed.
    """
    began, before = time.monotonic(), worker.database.sent_statement_count
    work = _Work(worker, account_id, remaining_s)
    try:
        outcome = work.run()
    except Exception as failure:
        logger.exception("check_lost", account_id=account_id, cause=type(failure).__name__)
        outcome = CheckOutcome.FAILED_WITHOUT_DATABASE_RECORD
    checked = CheckOutcomeAndCost(
        outcome,
        work.requests,
        worker.database.sent_statement_count - before,
        time.monotonic() - began,
    )
    if outcome is not CheckOutcome.NOTHING_NEW:
        logger.info(
            "account_checked",
            account_id=account_id,
            outcome=outcome,
            requests=checked.request_count,
            statements=checked.database_round_trip_count,
            seconds=round(checked.duration_s, 3),
        )
    return checked


class _Work:
    """One check, from its lease to its outcome."""

    def __init__(
        self, worker: CheckWorker, account_id: AccountId, remaining_s: Callable[[], float]
    ) -> None:
        self._worker = worker
        self._remaining_s = remaining_s
        self._account_id = account_id
        self._mailbox: Mailbox | None = None

    @property
    def requests(self) -> int:
        return self._mailbox.provider.used_quota_units if self._mailbox else 0

    def run(self) -> CheckOutcome:
        check = self._worker.store_of_checks.begin_check(self._account_id, RunId(str(uuid4())))
        if check is None:
            return CheckOutcome.LEASE_UNAVAILABLE
        try:
            if check.is_account_closed and not self._reopened(check):
                return CheckOutcome.ACCESS_STILL_REFUSED
            return self._guarded(check)
        except LeaseLost:
            return CheckOutcome.LEASE_UNAVAILABLE

    def _reopened(self, check: Check) -> bool:
        """Return whether a closed account has an access token again; activate the account if so.

        Accounts are closed only for the lack of an access token.
        """
        try:
            with self._worker.open_mailbox(check) as mailbox:
                mailbox.access_token_source.get_current_token()
        except MailsyncError as failure:
            message = str(failure) if isinstance(failure, AccessRevoked) else None
            self._worker.store_of_checks.end_check_of_closed_account(check, message)
            cause = type(failure).__name__
            logger.info("account_stays_closed", account_id=self._account_id, cause=cause)
            return False
        self._worker.store_of_checks.activate_closed_account(check)
        logger.info("account_reopened", account_id=self._account_id)
        return True

    def _guarded(self, check: Check) -> CheckOutcome:
        try:
            if reason := self._reason_for_execution(check):
                return self._hand_over(check, reason)
            require_no_provider_pause(check.account)
            with (
                self._worker.open_mailbox(check) as self._mailbox,
                save_provider_throttling_on_exit(self._mailbox),
            ):
                return self._check(check, self._mailbox)
        except LeaseLost:
            raise
        except (*TRANSIENT_ERRORS, FolderGone) as failure:
            cause = type(failure).__name__
        except MailsyncError as failure:
            return self._fail(check, failure, str(failure))
        except Exception as failure:
            logger.exception("check_broke", account_id=self._account_id)
            return self._fail(check, failure, _UNEXPECTED)
        # Not inside `except`: there the failure keeps the pages that were read in memory.
        return self._hand_over(check, cause)

    def _reason_for_execution(self, check: Check) -> str | None:
        """Return why an execution must sync the mailbox. None: a check suffices so far.

        An earlier release stored messages without placements. Create these placements, and let an
        execution sync the mailbox if one batch does not suffice.
        """
        if not check.account.is_initial_sync_completed:
            return "first sync"
        if len(check.stored_folders) > MAX_MAILBOX_FOLDERS_FOR_CHECK:
            return "many folders"
        if check.account.has_placements_of_all_messages:
            return None
        is_left = PlacementBackfillStore(self._worker.database).create_placements_of_next_batch(
            self._account_id
        )
        return "placements to fill" if is_left else None

    def _check(self, check: Check, mailbox: Mailbox) -> CheckOutcome:
        reading = choose_folder_tree_reading_mode(
            now=check.check_began_at,
            whole_at=check.folder_tree_read_at,
            thorough_at=check.hidden_remote_folders_read_at,
        )
        seen = read_folder_tree_and_next_pages_of_feeds(
            mailbox, check.stored_folders, reading, since_s=check.time_since_last_sync_s
        )
        counts = dict(_counts(check, seen))
        result = classify_work_found_by_check(
            is_fully_verified=check.is_mailbox_fully_verified,
            listing=seen.folder_listing,
            plan=diff_folders(seen.folder_listing, check.stored_folders),
            folders=check.stored_folders,
            pages=seen.next_page_by_feed_id,
            waiting=seen.feed_ids_left_to_later_sync,
            moved=seen.folder_ids_with_changed_counts,
            counts=counts.values(),
        )
        if result is WorkFoundByCheck.NOTHING_NEW:
            return self._end(check, mailbox, seen, counts)
        if result is WorkFoundByCheck.NEEDS_EXECUTION:
            return self._hand_over(check, "more than a page")
        if not self._worker.store_of_checks.create_run_of_check(check):
            return CheckOutcome.LEASE_UNAVAILABLE
        return self._sync(check, mailbox, seen)

    def _end(
        self,
        check: Check,
        mailbox: Mailbox,
        seen: MailboxSnapshot,
        counts: Mapping[FolderId, FolderCounts],
    ) -> CheckOutcome:
        """End a check that found nothing new. First compare the message ids of the due folders. If
        a folder differs or the first due folder is too large, leave the sync to an execution."""
        compared = _compare(check, mailbox, counts)
        if compared is None:
            return self._hand_over(check, "ids to compare")
        end = UnchangedMailboxCheckResult(
            new_cursor_by_feed=_cursors(mailbox, check, seen),
            compared_listing_by_folder_id=compared,
            is_list_of_folders_complete=seen.folder_listing.is_whole_tree
            and seen.folder_listing.has_fetched_all_counts,
            folder_tree_reading_mode=seen.tree_reading_mode,
        )
        self._worker.store_of_checks.end_check_of_unchanged_mailbox(check, end)
        return CheckOutcome.NOTHING_NEW

    def _sync(self, check: Check, mailbox: Mailbox, seen: MailboxSnapshot) -> CheckOutcome:
        synced = sync_folders(mailbox, self._remaining_s, seen)
        if synced.remaining_feeds:
            return self._hand_over(check, "more than a page")
        # If each count costs a request, the counts of unchanged folders are read once an hour.
        is_quick = check.is_mailbox_fully_verified and (
            not seen.folder_listing.has_fetched_all_counts
            or (
                seen.tree_reading_mode is FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS
                and seen.folder_listing.is_whole_tree
            )
        )
        reading = (
            FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS
            if is_quick
            else FolderTreeReadingMode.ALL_LISTED_FOLDERS
        )
        if not recount_messages_and_verify_folders(
            mailbox, self._remaining_s, reading, synced
        ).is_done:
            return self._hand_over(check, "counts differ")
        mailbox.feed_reading_log.log_and_count()
        proven = mailbox.run_store.complete_or_fail_run(check.run_ref, requests=self.requests)
        if proven is None:
            return CheckOutcome.FAILED
        logger.info("sync_completed", proven=proven)
        return CheckOutcome.SYNCED

    def _hand_over(self, check: Check, cause: str) -> CheckOutcome:
        """Leave the sync to an execution, and start the execution. If the start fails, the schedule
        starts the execution later."""
        if not self._worker.store_of_checks.hand_over_run_to_execution(check):
            return CheckOutcome.LEASE_UNAVAILABLE
        logger.info("handed_over", account_id=self._account_id, cause=cause)
        try:
            self._worker.start_execution_of_run(check.run_ref.account_id, check.run_ref.run_id)
        except Exception as failure:
            logger.warning("execution_not_started", cause=type(failure).__name__)
        return CheckOutcome.HANDED_TO_EXECUTION

    def _fail(self, check: Check, failure: Exception, message: str) -> CheckOutcome:
        error = type(failure).__name__
        self._worker.store_of_checks.fail_run_of_check(check, error, message)
        logger.error("sync_failed", error=error)
        return CheckOutcome.FAILED


def _counts(check: Check, seen: MailboxSnapshot) -> Iterator[tuple[FolderId, FolderCounts]]:
    """Yield the stored counts of each listed mirrored folder, together with the provider's current
    counts. Leave out a folder whose current counts were not fetched, unless the provider never
    counts the folder."""
    remote = {folder.remote_id: folder for folder in seen.folder_listing.folders}
    for folder in check.stored_folders:
        shown = remote.get(folder.ref.remote_id)
        if not folder.is_mirrored or not shown:
            continue
        ours = check.message_counts_by_folder_id[folder.ref.id]
        if shown.message_count is not None and shown.unread_message_count is not None:
            yield (
                folder.ref.id,
                replace(
                    ours, remote_total=shown.message_count, remote_unread=shown.unread_message_count
                ),
            )
        elif ours.remote_total is None:
            yield folder.ref.id, ours


def _compare(
    check: Check, mailbox: Mailbox, counts: Mapping[FolderId, FolderCounts]
) -> Mapping[FolderId, MessageListing] | None:
    """Compare the folders whose comparison is due, up to `MAX_COMPARED_MESSAGES_PER_CHECK`
    messages; return their listings. Further folders wait for the next check.

    Return None if a folder differs from its listing, or if the first due folder is too large.
    """
    folders = {folder.ref.id: folder for folder in check.stored_folders}
    compared: dict[FolderId, MessageListing] = {}
    room = MAX_COMPARED_MESSAGES_PER_CHECK
    for folder_id in find_folders_due_for_comparison(counts, now=check.check_began_at):
        count = counts[folder_id]
        room -= max(count.remote_total or 0, count.stored_total)
        if room < 0:
            return compared or None
        listing, difference = compare_folder(mailbox, folders[folder_id])
        if not difference.is_mirror_equal_to_listing:
            return None
        compared[folder_id] = listing
    return compared


def _cursors(
    mailbox: Mailbox, check: Check, seen: MailboxSnapshot
) -> Mapping[StoredFeed, SealedSecret | None]:
    """Return the new cursor of each feed that was read. None: the cursor is unchanged."""
    return {
        feed: mailbox.encrypt_cursor(feed.ref, page.next_cursor)
        if page.next_cursor != mailbox.decrypt_cursor(feed)
        else None
        for feed in distinct_feeds_of_folders(check.stored_folders)
        if (page := seen.next_page_by_feed_id.get(feed.ref.id))
    }
