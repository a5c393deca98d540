"""`sync-folder`: page after page of one folder, each stored with its cursor in one transaction."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mailsync.decisions.budget import (
    grow_page_size,
    has_time_for_page,
    shrink_page_size,
    wait_seconds,
)
from mailsync.errors import CursorExpired, ProviderThrottled, ProviderUnavailable
from mailsync.log import logger
from mailsync.model import FolderId, KnownFolder, Page
from mailsync.providers import FeedFailed
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.store_page import PAGE_SIZE, PageTooLarge, page_size, store_page

MAX_EMPTY_PAGES = 100
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
    """Store pages until the folder is up to date or the time budget is spent.

    A round reports changes up to the moment when it started. One that an earlier sync had to
    leave may be hours old, so one more round follows it.

    Raises whatever the provider and the store raise, and CursorExpired after `MAX_EMPTY_PAGES`; what
    was stored until then stays, and the next call goes on behind it. A failure that will pass is
    a pause instead when pages were stored before it: attempts that got somewhere are not to use
    up those of the workflow.
    """
    mailbox.run_folders.begin(mailbox.run, folder_id)
    slowest_s, empty_pages, started_in_this_sync = 0.0, 0, False
    page: Page | None
    while has_time_for_page(remaining_s(), slowest_s):
        page = None  # else two are in memory during the next request
        started = time.monotonic()
        folder = mailbox.folders.folder(mailbox.run.account_id, folder_id)
        try:
            page = _fetch(mailbox, folder)
            counts = store_page(mailbox, folder, page, alone=True)
        except PageTooLarge:
            smaller = shrink_page_size(page_size(folder))
            mailbox.folders.save_page_size(mailbox.run, folder_id, smaller)
            slowest_s = max(slowest_s, time.monotonic() - started)
            continue
        except FeedFailed:
            _fall_back(mailbox, folder)
            continue
        except (ProviderThrottled, ProviderUnavailable) as failure:
            return _paused(mailbox, failure, progressed=slowest_s > 0)
        started_in_this_sync |= folder.position.starts_round
        if counts is not None and ends_here(page, started_in_this_sync=started_in_this_sync):
            return FolderProgress(False)
        empty_pages = 0 if page.changes else empty_pages + 1
        if empty_pages > MAX_EMPTY_PAGES:
            raise CursorExpired(
                f"{MAX_EMPTY_PAGES} empty pages and no end; reading the folder again."
            )
        slowest_s = max(slowest_s, time.monotonic() - started)
    return FolderProgress(True)


def ends_here(page: Page, *, started_in_this_sync: bool) -> bool:
    """Return whether the folder is up to date behind this page.

    A delta round reports changes up to the moment it started, and one that was resumed may be hours
    old. `started_in_this_sync` says that this one is not.
    """
    return not page.has_more and (started_in_this_sync or page.is_final)


def _paused(
    mailbox: Mailbox, failure: ProviderThrottled | ProviderUnavailable, *, progressed: bool
) -> FolderProgress:
    """A pause of the workflow in place of a failure that will pass; raises it where none helps."""
    pause_s = RECOVERY_S if progressed else None
    if isinstance(failure, ProviderThrottled) and failure.retry_after_s is not None:
        mailbox.note_limits(failure)
        pause_s = failure.retry_after_s
    if pause_s is None:
        raise failure
    return FolderProgress(True, wait_seconds(pause_s))


def _fetch(mailbox: Mailbox, folder: KnownFolder) -> Page:
    """One page in the size that last worked: halved when the provider fails, then growing back."""
    size, position = page_size(folder), folder.position
    try:
        page = mailbox.provider.fetch_page(
            folder.ref, mailbox.cursor(folder), limit=size, fallback=position.fallback
        )
    except ProviderUnavailable:
        if size > 1:
            mailbox.folders.save_page_size(mailbox.run, folder.ref.id, shrink_page_size(size))
        raise
    if size < PAGE_SIZE:
        mailbox.folders.save_page_size(mailbox.run, folder.ref.id, grow_page_size(size, PAGE_SIZE))
    return page


def _fall_back(mailbox: Mailbox, folder: KnownFolder) -> None:
    """The folder's feed cannot get past a message: read the folder anew by the next one."""
    fallback = folder.position.fallback + 1
    logger.warning("feed_failed", folder_id=folder.ref.id, fallback=fallback)
    mailbox.folders.restart_full_sync(mailbox.run, folder.ref.id, fallback=fallback)
