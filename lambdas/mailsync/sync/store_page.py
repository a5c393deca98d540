"""Store one page of changes: from the provider's entries to the rows."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mailsync.decisions.plan import plan_page
from mailsync.log import logger
from mailsync.model import (
    FeedRef,
    GoneMessage,
    Message,
    Page,
    PagePlan,
    RemoteId,
    StoredFeed,
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


def page_size(feed: StoredFeed) -> int:
    """Return the number of messages per page that last worked for the feed, or the default."""
    return feed.position.page_size or DEFAULT_PAGE_SIZE


def log_fields(feed: FeedRef) -> dict[str, Any]:
    """Return what a log record says of a feed: its id, and its folder if it has one."""
    fields = {"feed_id": int(feed.id)}
    return {**fields, "folder_id": int(feed.folder.id)} if feed.folder else fields


def store_page(
    mailbox: Mailbox, feed: StoredFeed, page: Page, *, requested_at: float, alone: bool = False
) -> WrittenRowCounts | None:
    """Store one page of a feed's changes; return None if another worker has moved the cursor.

    requested_at: value of the monotonic clock when the page was requested, or earlier.
    alone: the page was requested alone, and other workers send requests to the mailbox at the same
        time (see `MailProvider.fetch_messages`).

    Raises:
        PageTooLarge: nothing was stored; request a smaller page. Never for a page of size 1.
    """
    may_shrink = not alone or page_size(feed) > 1
    plan = plan_page(page)
    unchanged = _unchanged(mailbox, feed.ref, plan)
    plan = _completed(mailbox, plan, unchanged, one_by_one=alone, may_shrink=may_shrink)
    write = PageWrite(
        feed,
        page,
        plan,
        mailbox.seal_cursor(feed.ref, page.next_cursor),
        requests=1,
        requested_s_ago=time.monotonic() - requested_at,
        unchanged=unchanged,
    )
    counts = mailbox.mail.apply_page(mailbox.run, write)
    if counts is not None and page.changes:
        logger.info(
            "page_synced",
            **log_fields(feed.ref),
            inserted=counts.inserted,
            updated=counts.updated,
            unchanged=counts.unchanged,
            removed=counts.removed,
            quarantined=counts.quarantined,
            has_more=page.has_more,
        )
    return counts


def _unchanged(mailbox: Mailbox, feed: FeedRef, plan: PagePlan) -> tuple[RemoteId, ...]:
    """Return the messages that the page names in the state that is stored.

    A state in the feed of a mailbox does not say in which folders the message is.
    """
    entries = [change.reported_state for change in plan.to_fetch_by_id if change.reported_state]
    if not entries or feed.folder is None:
        return ()
    return mailbox.mail.ids_of_unchanged_messages(mailbox.run, feed.folder.id, entries)


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
