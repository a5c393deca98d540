"""A look at one mailbox, and the whole sync of it where that is little.

The steps are those of the workflow. What they cannot do in one go, and what has to be waited for,
is left to an execution that goes on in the same run.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

from mailsync.errors import (
    AccessRevoked,
    LeaseLost,
    MailsyncError,
    ProviderThrottled,
    ProviderUnavailable,
    StoreUnavailable,
)
from mailsync.log import logger
from mailsync.model import AccountId, KnownFolder, RunId, Sealed
from mailsync.steps.folder_tree import Look, look, sync_folders
from mailsync.steps.mailbox import Mailbox
from mailsync.steps.proof import recalculate_counts
from mailsync.store.check_store import Check, CheckStore
from mailsync.store.connection import Database
from mailsync.sync.check import MOST_FOLDERS, Verdict, judge
from mailsync.sync.folders import diff_folders
from mailsync.sync.verify import FolderCount

PASSING = (ProviderThrottled, ProviderUnavailable, StoreUnavailable)
"""What the workflow tries again by itself."""


class Outcome(StrEnum):
    IDLE = "idle"
    SYNCED = "synced"
    HANDED_OVER = "handedOver"
    FAILED = "failed"
    BUSY = "busy"
    """Somebody else works on the mailbox, or is about to."""
    LOST = "lost"
    """Not even the failure could be stored; the claim ends by itself."""
    CLOSED = "closed"
    """There is still no access token for an account that was closed."""
    PUT_BACK = "putBack"
    """Not looked at, and due again."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check and what it cost; `statements` are round trips to the database."""

    outcome: Outcome
    requests: int = 0
    statements: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Desk:
    """What one thread works with; its database session is its own.

    `opened` opens the mailbox of a check, `start` starts the execution of a run.
    """

    database: Database
    opened: Callable[[Check], AbstractContextManager[Mailbox]]
    start: Callable[[AccountId, RunId], None]

    @property
    def checks(self) -> CheckStore:
        return CheckStore(self.database)


def check_account(desk: Desk, account_id: AccountId) -> Checked:
    """Looks at the mailbox and does what the look asks for; never raises.

    A failure that will pass is left to an execution; any other is a failed sync of this mailbox.
    """
    began, before = time.monotonic(), desk.database.statements
    work = _Work(desk, account_id)
    try:
        outcome = work.run()
    except Exception as failure:
        logger.exception("check_lost", account_id=account_id, cause=type(failure).__name__)
        outcome = Outcome.LOST
    checked = Checked(
        outcome, work.requests, desk.database.statements - before, time.monotonic() - began
    )
    if outcome is not Outcome.IDLE:
        logger.info(
            "account_checked",
            account_id=account_id,
            outcome=outcome,
            requests=checked.requests,
            statements=checked.statements,
            seconds=round(checked.seconds, 3),
        )
    return checked


class _Work:
    """One check, from its lease to its outcome."""

    def __init__(self, desk: Desk, account_id: AccountId) -> None:
        self._desk = desk
        self._account_id = account_id
        self._mailbox: Mailbox | None = None

    @property
    def requests(self) -> int:
        return self._mailbox.provider.requests if self._mailbox else 0

    def run(self) -> Outcome:
        check = self._desk.checks.begin(self._account_id, RunId(str(uuid4())))
        if check is None:
            return Outcome.BUSY
        try:
            if check.is_of_closed_account and not self._reopened(check):
                return Outcome.CLOSED
            return self._guarded(check)
        except LeaseLost:
            return Outcome.BUSY

    def _reopened(self, check: Check) -> bool:
        """Whether there is an access token again for an account that was closed.

        That is the reason for which accounts are closed, so the account is active again with it.
        """
        try:
            with self._desk.opened(check) as mailbox:
                mailbox.access.current()
        except MailsyncError as failure:
            message = str(failure) if isinstance(failure, AccessRevoked) else None
            self._desk.checks.stay_closed(check, message)
            cause = type(failure).__name__
            logger.info("account_stays_closed", account_id=self._account_id, cause=cause)
            return False
        self._desk.checks.reopen(check)
        logger.info("account_reopened", account_id=self._account_id)
        return True

    def _guarded(self, check: Check) -> Outcome:
        try:
            if not check.account.initial_sync_completed:
                return self._hand_over(check, "first sync")
            if len(check.folders) > MOST_FOLDERS:
                return self._hand_over(check, "many folders")
            with self._desk.opened(check) as self._mailbox:
                return self._look_at(check, self._mailbox)
        except LeaseLost:
            raise
        except PASSING as failure:
            return self._hand_over(check, type(failure).__name__)
        except MailsyncError as failure:
            return self._fail(check, failure, str(failure))
        except Exception as failure:
            logger.exception("check_broke", account_id=self._account_id)
            return self._fail(check, failure, "Nobody foresaw this error; the log has it.")

    def _look_at(self, check: Check, mailbox: Mailbox) -> Outcome:
        seen = look(mailbox, check.folders)
        verdict = judge(
            is_settled=check.is_settled,
            plan=diff_folders(seen.remote, check.folders),
            folders=check.folders,
            pages=seen.pages,
            counts=_counts(check, seen),
        )
        if verdict is Verdict.NOTHING_NEW:
            self._desk.checks.end(check, _moved(mailbox, check, seen))
            return Outcome.IDLE
        if verdict is Verdict.MORE:
            return self._hand_over(check, "more than a page")
        if not self._desk.checks.open_run(check):
            return Outcome.BUSY
        return self._sync(check, mailbox, seen)

    def _sync(self, check: Check, mailbox: Mailbox, seen: Look) -> Outcome:
        if sync_folders(mailbox, seen):
            return self._hand_over(check, "more than a page")
        if recalculate_counts(mailbox).folder_ids:
            return self._hand_over(check, "counts differ")
        mailbox.runs.renew_lease(check.run, requests=self.requests)
        proven = mailbox.runs.complete(check.run)
        logger.info("sync_completed", proven=proven)
        return Outcome.SYNCED

    def _hand_over(self, check: Check, cause: str) -> Outcome:
        """Should the start fail, the run waits in the database until a tick starts it."""
        if not self._desk.checks.hand_over(check):
            return Outcome.BUSY
        logger.info("handed_over", account_id=self._account_id, cause=cause)
        try:
            self._desk.start(check.run.account_id, check.run.run_id)
        except Exception as failure:
            logger.warning("execution_not_started", cause=type(failure).__name__)
        return Outcome.HANDED_OVER

    def _fail(self, check: Check, failure: Exception, message: str) -> Outcome:
        error = type(failure).__name__
        self._desk.checks.fail(check, error, message)
        logger.error("sync_failed", error=error)
        return Outcome.FAILED


def _counts(check: Check, seen: Look) -> Iterator[FolderCount]:
    remote = {each.remote_id: each for each in seen.remote}
    for folder in check.folders:
        shown = remote.get(folder.ref.remote_id)
        if folder.selected and shown:
            ours = check.counts[folder.ref.id]
            yield FolderCount(
                remote=shown.total,
                stored=ours.stored,
                quarantined=ours.quarantined,
                remote_unread=shown.unread,
                unread=ours.unread,
            )


def _moved(mailbox: Mailbox, check: Check, seen: Look) -> Mapping[KnownFolder, Sealed]:
    """The positions that the provider gave us anew."""
    return {
        folder: mailbox.sealed(folder.ref.id, page.next_cursor)
        for folder in check.folders
        if (page := seen.pages.get(folder.ref.id)) and page.next_cursor != mailbox.cursor(folder)
    }
