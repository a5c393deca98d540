"""`sync-folder`: page after page of one folder, each stored with its cursor in one transaction."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mailsync.errors import CursorExpired, ProviderThrottled, ProviderUnavailable
from mailsync.log import logger
from mailsync.model import (
    Counts,
    FolderId,
    Gone,
    KnownFolder,
    Message,
    Page,
    PagePlan,
    Unreadable,
)
from mailsync.steps.mailbox import Mailbox
from mailsync.store.mail_store import PageWrite
from mailsync.sync.budget import larger_page, may_go_on, smaller_page, wait_seconds
from mailsync.sync.plan import plan_page

PAGE_SIZE = 100
EMPTY_PAGES = 100
"""In a row with more behind them. Some are normal (microsoft-graph-docs-contrib #1316), a link that
never leads anywhere is not."""
RECOVERY_S = 5.0
"""The pause after a failure for which the provider named none; the first one of the workflow."""


@dataclass(frozen=True, slots=True)
class FolderProgress:
    """Whether pages are left, and the pause that the provider asked for before the next one."""

    has_more: bool
    wait_seconds: int = 0


def sync_folder(
    mailbox: Mailbox, folder_id: FolderId, remaining_s: Callable[[], float]
) -> FolderProgress:
    """Pages until the folder is up to date or the time budget is spent.

    Raises whatever the provider and the store raise, and CursorExpired after `EMPTY_PAGES`; what
    was stored until then stays, and the next call goes on behind it. A failure that will pass is
    a pause instead when pages were stored before it: attempts that got somewhere are not to use
    up those of the workflow.
    """
    mailbox.runs.begin_folder(mailbox.run, folder_id)
    slowest_s, empty_pages = 0.0, 0
    while may_go_on(remaining_s(), slowest_s):
        started = time.monotonic()
        folder = mailbox.mail.folder(mailbox.run.account_id, folder_id)
        try:
            page = _fetch(mailbox, folder)
            counts = store_page(mailbox, folder, page, one_by_one=True)
        except (ProviderThrottled, ProviderUnavailable) as failure:
            pause_s = _pause_s(failure, progressed=slowest_s > 0)
            if pause_s is None:
                raise
            return FolderProgress(True, wait_seconds(pause_s))
        if counts is not None and not page.has_more:
            return FolderProgress(False)
        empty_pages = 0 if page.changes else empty_pages + 1
        if empty_pages > EMPTY_PAGES:
            raise CursorExpired(f"{EMPTY_PAGES} empty pages and no end; walking the folder again.")
        slowest_s = max(slowest_s, time.monotonic() - started)
    return FolderProgress(True)


def _pause_s(failure: ProviderThrottled | ProviderUnavailable, *, progressed: bool) -> float | None:
    if isinstance(failure, ProviderThrottled) and failure.retry_after_s is not None:
        return failure.retry_after_s
    return RECOVERY_S if progressed else None


def store_page(
    mailbox: Mailbox, folder: KnownFolder, page: Page, *, one_by_one: bool = False
) -> Counts | None:
    """Plans and stores one page; None when another worker had moved the cursor meanwhile.

    `one_by_one` where others work on the mailbox too: see `MailProvider.fetch_messages`.
    """
    plan = _completed(mailbox, plan_page(page), one_by_one)
    next_cursor = mailbox.sealed(folder.ref.id, page.next_cursor)
    write = PageWrite(folder, page, plan, next_cursor, requests=1)
    counts = mailbox.mail.apply_page(mailbox.run, write)
    if counts is not None and page.changes:
        logger.info(
            "page_synced",
            folder_id=folder.ref.id,
            inserted=counts.inserted,
            updated=counts.updated,
            unchanged=counts.unchanged,
            removed=counts.removed,
            quarantined=counts.quarantined,
            has_more=page.has_more,
        )
    return counts


def _fetch(mailbox: Mailbox, folder: KnownFolder) -> Page:
    """One page in the size that last worked: halved when the provider chokes, then growing back."""
    size = folder.position.page_size or PAGE_SIZE
    try:
        page = mailbox.provider.fetch_page(folder.ref, mailbox.cursor(folder), limit=size)
    except ProviderUnavailable:
        if size > 1:
            mailbox.mail.save_page_size(mailbox.run, folder.ref.id, smaller_page(size))
        raise
    if size < PAGE_SIZE:
        mailbox.mail.save_page_size(mailbox.run, folder.ref.id, larger_page(size, PAGE_SIZE))
    return page


def _completed(mailbox: Mailbox, plan: PagePlan, one_by_one: bool) -> PagePlan:
    """Fetches whole what the page only names."""
    if not plan.touched:
        return plan
    fetched = mailbox.provider.fetch_messages(plan.touched, one_by_one=one_by_one)
    return PagePlan(
        upserts=plan.upserts + tuple(each for each in fetched if isinstance(each, Message)),
        removals=plan.removals
        + tuple(each.remote_id for each in fetched if isinstance(each, Gone)),
        unreadable=plan.unreadable
        + tuple(each for each in fetched if isinstance(each, Unreadable)),
    )
