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
from mailsync.store.page_rows import BODY_LIMIT_CHARS, body_chars
from mailsync.sync.budget import larger_page, may_go_on, smaller_page, wait_seconds
from mailsync.sync.plan import plan_page

PAGE_SIZE = 100
EMPTY_PAGES = 100
"""In a row with more behind them. Some are normal (microsoft-graph-docs-contrib #1316), a link that
never leads anywhere is not."""
FETCHED_AT_ONCE = 20
FETCHED_CHARS = BODY_LIMIT_CHARS
"""Of bodies that are fetched for one page, where its entries only name messages: as much as one
body may have. Measured: 100 bodies of 3 million characters cost 1,200 MB while they are stored."""
RECOVERY_S = 5.0
"""The pause after a failure for which the provider named none; the first one of the workflow."""


class PageTooLarge(Exception):
    """What a page names is more than is held at once; a smaller page names less of it."""


@dataclass(frozen=True, slots=True)
class FolderProgress:
    """Whether pages are left, and the pause that the provider asked for before the next one."""

    has_more: bool
    wait_seconds: int = 0


def sync_folder(
    mailbox: Mailbox, folder_id: FolderId, remaining_s: Callable[[], float]
) -> FolderProgress:
    """Pages until the folder is up to date or the time budget is spent.

    Up to date is what a round says that began here: an earlier one, which was interrupted, tells
    the mailbox of the time when it began, and is followed by another.

    Raises whatever the provider and the store raise, and CursorExpired after `EMPTY_PAGES`; what
    was stored until then stays, and the next call goes on behind it. A failure that will pass is
    a pause instead when pages were stored before it: attempts that got somewhere are not to use
    up those of the workflow.
    """
    mailbox.runs.begin_folder(mailbox.run, folder_id)
    slowest_s, empty_pages, is_of_now = 0.0, 0, False
    while may_go_on(remaining_s(), slowest_s):
        started = time.monotonic()
        folder = mailbox.mail.folder(mailbox.run.account_id, folder_id)
        try:
            page = _fetch(mailbox, folder)
            counts = store_page(mailbox, folder, page, alone=True)
        except PageTooLarge:
            smaller = smaller_page(_size(folder))
            mailbox.mail.save_page_size(mailbox.run, folder_id, smaller)
            slowest_s = max(slowest_s, time.monotonic() - started)
            continue
        except (ProviderThrottled, ProviderUnavailable) as failure:
            pause_s = _pause_s(failure, progressed=slowest_s > 0)
            if pause_s is None:
                raise
            return FolderProgress(True, wait_seconds(pause_s))
        is_of_now |= folder.position.begins_round
        if counts is not None and ends_here(page, is_of_now=is_of_now):
            return FolderProgress(False)
        empty_pages = 0 if page.changes else empty_pages + 1
        if empty_pages > EMPTY_PAGES:
            raise CursorExpired(f"{EMPTY_PAGES} empty pages and no end; walking the folder again.")
        slowest_s = max(slowest_s, time.monotonic() - started)
    return FolderProgress(True)


def ends_here(page: Page, *, is_of_now: bool) -> bool:
    """Whether the folder is up to date; `is_of_now`: the page's round began in this sync."""
    return not page.has_more and (is_of_now or page.is_final)


def _pause_s(failure: ProviderThrottled | ProviderUnavailable, *, progressed: bool) -> float | None:
    if isinstance(failure, ProviderThrottled) and failure.retry_after_s is not None:
        return failure.retry_after_s
    return RECOVERY_S if progressed else None


def store_page(
    mailbox: Mailbox, folder: KnownFolder, page: Page, *, alone: bool = False
) -> Counts | None:
    """Plans and stores one page; None when another worker had moved the cursor meanwhile.

    `alone`: the page was asked for by itself, in the folder's own size, and others work on the
    mailbox at the same time (see `MailProvider.fetch_messages`).

    Raises:
        PageTooLarge: nothing was stored; ask for a smaller page. Never for one of size 1.
    """
    may_shrink = not alone or _size(folder) > 1
    plan = _completed(mailbox, plan_page(page), one_by_one=alone, may_shrink=may_shrink)
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
    size = _size(folder)
    try:
        page = mailbox.provider.fetch_page(folder.ref, mailbox.cursor(folder), limit=size)
    except ProviderUnavailable:
        if size > 1:
            mailbox.mail.save_page_size(mailbox.run, folder.ref.id, smaller_page(size))
        raise
    if size < PAGE_SIZE:
        mailbox.mail.save_page_size(mailbox.run, folder.ref.id, larger_page(size, PAGE_SIZE))
    return page


def _size(folder: KnownFolder) -> int:
    return folder.position.page_size or PAGE_SIZE


def _completed(mailbox: Mailbox, plan: PagePlan, *, one_by_one: bool, may_shrink: bool) -> PagePlan:
    """Fetches whole what the page only names."""
    fetched: list[Message | Gone | Unreadable] = []
    chars, at_once = 0, 1 if one_by_one else FETCHED_AT_ONCE
    for start in range(0, len(plan.touched), at_once):
        ids = plan.touched[start : start + at_once]
        found = mailbox.provider.fetch_messages(ids, one_by_one=one_by_one)
        fetched += found
        chars += sum(body_chars(each) for each in found if isinstance(each, Message))
        if chars > FETCHED_CHARS and may_shrink:
            raise PageTooLarge
    return PagePlan(
        upserts=plan.upserts + tuple(each for each in fetched if isinstance(each, Message)),
        removals=plan.removals
        + tuple(each.remote_id for each in fetched if isinstance(each, Gone)),
        unreadable=plan.unreadable
        + tuple(each for each in fetched if isinstance(each, Unreadable)),
    )
