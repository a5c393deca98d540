"""State `sync-folder`: store the changes of one folder page by page.

Each transaction stores a page together with the cursor after it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mailsync.decisions.budget import (
    grow_page_size,
    has_time_for_page,
    shrink_page_size,
    wait_state_seconds,
)
from mailsync.errors import CursorExpired, ProviderThrottled, ProviderUnavailable
from mailsync.log import logger
from mailsync.model import FolderId, Page, StoredFolder
from mailsync.providers import FeedFailed
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.store_page import DEFAULT_PAGE_SIZE, PageTooLarge, page_size, store_page

MAX_EMPTY_PAGES = 100
"""The longest series of empty pages that is followed. Some are normal (see
`fetch_page` of the providers); a link that never leads to a change is not."""
TRANSIENT_FAILURE_PAUSE_S = 5.0
"""The pause after a failure for which the provider named none; as long as the workflow's first one.
"""


@dataclass(frozen=True, slots=True)
class FolderProgress:
    """What remains to read of a folder's change feed.

    has_more: whether pages remain.
    wait_seconds: pause that the provider requested before the next page, in seconds.
    """

    has_more: bool
    wait_seconds: int = 0


def sync_folder(
    mailbox: Mailbox, folder_id: FolderId, remaining_s: Callable[[], float]
) -> FolderProgress:
    """Store pages until the folder is up to date or the time budget is spent.

    A round reports changes up to the moment when it started. A round that an earlier sync left
    unfinished may be hours old, so one more round follows it.

    A transient failure after stored pages becomes a pause of the workflow: attempts that made
    progress do not count towards the retries of the state. What was stored stays, and the next call
    continues after it.

    Raises:
        CursorExpired: also after `MAX_EMPTY_PAGES` empty pages.
        MailsyncError: any other error of the provider or the store.
    """
    mailbox.run_folders.begin_folder(mailbox.run, folder_id)
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
        started_in_this_sync |= folder.position.is_start_of_round
        if counts is not None and is_up_to_date(page, started_in_this_sync=started_in_this_sync):
            return FolderProgress(False)
        empty_pages = 0 if page.changes else empty_pages + 1
        if empty_pages > MAX_EMPTY_PAGES:
            raise CursorExpired(
                f"{MAX_EMPTY_PAGES} empty pages and no end; reading the folder again."
            )
        slowest_s = max(slowest_s, time.monotonic() - started)
    return FolderProgress(True)


def is_up_to_date(page: Page, *, started_in_this_sync: bool) -> bool:
    """Return whether the folder is up to date after this page.

    A round, one pass over the change feed, reports changes up to the moment at which it started.

    started_in_this_sync: False for a round that an earlier sync left unfinished; it may be hours
        old, so another round must follow.
    """
    return not page.has_more and (started_in_this_sync or page.is_final)


def _paused(
    mailbox: Mailbox, failure: ProviderThrottled | ProviderUnavailable, *, progressed: bool
) -> FolderProgress:
    """Return a pause in place of a transient failure, or raise the failure where a pause does not
    help."""
    pause_s = TRANSIENT_FAILURE_PAUSE_S if progressed else None
    if isinstance(failure, ProviderThrottled) and failure.retry_after_s is not None:
        mailbox.save_limits(failure)
        pause_s = failure.retry_after_s
    if pause_s is None:
        raise failure
    return FolderProgress(True, wait_state_seconds(pause_s))


def _fetch(mailbox: Mailbox, folder: StoredFolder) -> Page:
    """Fetch a page in the size that last worked: halved after a failure, then growing back."""
    size, position = page_size(folder), folder.position
    try:
        page = mailbox.provider.fetch_page(
            folder.ref, mailbox.cursor(folder), limit=size, fallback=position.fallback
        )
    except ProviderUnavailable:
        if size > 1:
            mailbox.folders.save_page_size(mailbox.run, folder.ref.id, shrink_page_size(size))
        raise
    if size < DEFAULT_PAGE_SIZE:
        mailbox.folders.save_page_size(
            mailbox.run, folder.ref.id, grow_page_size(size, DEFAULT_PAGE_SIZE)
        )
    return page


def _fall_back(mailbox: Mailbox, folder: StoredFolder) -> None:
    """Restart the folder with the next feed, since this one cannot get past a message."""
    fallback = folder.position.fallback + 1
    logger.warning("feed_failed", folder_id=folder.ref.id, fallback=fallback)
    mailbox.folders.restart_full_sync(mailbox.run, folder.ref.id, fallback=fallback)
