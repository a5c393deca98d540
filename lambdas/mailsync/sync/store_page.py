"""Store one page of changes: from the provider's entries to the rows."""

from collections.abc import Sequence
from dataclasses import replace

from mailsync.decisions.plan import plan_page
from mailsync.log import logger
from mailsync.model import (
    GoneMessage,
    Message,
    Page,
    PagePlan,
    RemoteId,
    StoredFolder,
    UnreadableMessage,
    WrittenRowCounts,
)
from mailsync.providers import ResponseTooLarge
from mailsync.store.mail_store import PageWrite
from mailsync.store.page_rows import BODY_LIMIT_CHARS, count_body_chars
from mailsync.sync.mailbox import Mailbox

DEFAULT_PAGE_SIZE = 100
MAX_FETCHED_CHARS = BODY_LIMIT_CHARS
"""Characters of bodies that are fetched for one page whose entries only name messages: as much as
one body may have. Measured: 100 bodies of 3 million characters cost 1,200 MB while they are stored.
"""


class PageTooLarge(Exception):
    """The messages of a page exceed the memory limit; the caller requests a smaller page."""


def page_size(folder: StoredFolder) -> int:
    """Return the number of messages per page that last worked for the folder, or the default."""
    return folder.position.page_size or DEFAULT_PAGE_SIZE


def store_page(
    mailbox: Mailbox, folder: StoredFolder, page: Page, *, alone: bool = False
) -> WrittenRowCounts | None:
    """Store one page of a folder's changes; return None if another worker has moved the cursor.

    alone: the page was requested alone, and other workers send requests to the mailbox at the same
        time (see `MailProvider.fetch_messages`).

    Raises:
        PageTooLarge: nothing was stored; request a smaller page. Never for a page of size 1.
    """
    may_shrink = not alone or page_size(folder) > 1
    plan = plan_page(page)
    unchanged = _unchanged(mailbox, folder, plan)
    plan = _completed(mailbox, plan, unchanged, one_by_one=alone, may_shrink=may_shrink)
    next_cursor = mailbox.seal_cursor(folder.ref.id, page.next_cursor)
    write = PageWrite(folder, page, plan, next_cursor, requests=1, unchanged=unchanged)
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


def _unchanged(mailbox: Mailbox, folder: StoredFolder, plan: PagePlan) -> tuple[RemoteId, ...]:
    """Return the messages that the page names in the state that is stored."""
    entries = [change.reported_state for change in plan.to_fetch_by_id if change.reported_state]
    return (
        mailbox.mail.ids_of_unchanged_messages(mailbox.run, folder.ref.id, entries)
        if entries
        else ()
    )


def _completed(
    mailbox: Mailbox,
    plan: PagePlan,
    unchanged: Sequence[RemoteId],
    *,
    one_by_one: bool,
    may_shrink: bool,
) -> PagePlan:
    """Fetch the messages that the page only names; return the completed plan."""
    wanted = [
        each.remote_id for each in plan.to_fetch_by_id if each.remote_id not in set(unchanged)
    ]
    fetched: list[Message | GoneMessage | UnreadableMessage] = []
    chars, at_once = 0, 1 if one_by_one else mailbox.provider.limits.fetch_batch
    for start in range(0, len(wanted), at_once):
        try:
            found = mailbox.provider.fetch_messages(
                wanted[start : start + at_once], one_by_one=one_by_one
            )
        except ResponseTooLarge:
            raise PageTooLarge from None
        fetched += found
        chars += sum(count_body_chars(each) for each in found if isinstance(each, Message))
        if chars > MAX_FETCHED_CHARS and may_shrink:
            raise PageTooLarge
    return replace(
        plan,
        to_fetch_by_id=(),
        upserts=plan.upserts + tuple(each for each in fetched if isinstance(each, Message)),
        removals=plan.removals
        + tuple(each.remote_id for each in fetched if isinstance(each, GoneMessage)),
        unreadable=plan.unreadable
        + tuple(each for each in fetched if isinstance(each, UnreadableMessage)),
    )
