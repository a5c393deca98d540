"""Store many changed messages of one folder from the pages of its list, without a request for each.

A change feed may name messages without contents, as Microsoft Graph's does with a message that was
marked as read. A page that names many, of a round that has more pages, leaves them pending, so that
all messages of the round are known before the first is fetched.
"""

from collections.abc import Callable, Collection

from mailsync.log import logger
from mailsync.model import (
    FeedPosition,
    FeedRef,
    Message,
    Page,
    PagePlan,
    RemoteId,
    StoredFeed,
    UnreadableMessage,
)
from mailsync.providers import ContentsLister
from mailsync.sync.mailbox import Mailbox

MIN_LISTED_MESSAGES = 200
"""The minimum number of pending messages for which a folder is listed."""
MAX_LISTED_MESSAGES_PER_PENDING_MESSAGE = 8
"""The maximum number of messages in a folder for each pending one. On a page of a list a message
takes an eighth of the time of a request by id, or less."""
_MAX_NAMED_PER_PAGE = 20


def may_list_contents(position: FeedPosition) -> bool:
    """Return whether pending messages of a feed may come from a list. In a full sync, and where a
    kind of feed has failed, messages are pending because pages of them do not work."""
    return not position.is_full_sync_running and position.failed_feed_count == 0


def leaves_contents_pending(
    mailbox: Mailbox, feed: StoredFeed, page: Page, wanted: Collection[RemoteId]
) -> bool:
    """Return whether the `wanted` messages, which a page only names, are left pending, because the
    round probably names so many that the folder is listed."""
    return (
        isinstance(mailbox.provider, ContentsLister)
        and len(wanted) > _MAX_NAMED_PER_PAGE
        and (page.has_more or feed.has_pending)
        and may_list_contents(feed.position)
    )


def store_pending_from_list(
    mailbox: Mailbox, stored: StoredFeed, has_time: Callable[[], bool]
) -> bool:
    """List the folder of a feed and store its pending messages, if they are a large part of it.
    Return whether that stored most of them. Other messages stay pending.

    has_time: returns whether there is time for another page.
    """
    feed, provider = stored.ref, mailbox.provider
    if feed.folder is None or not isinstance(provider, ContentsLister):
        return False
    if not may_list_contents(stored.position):
        return False
    folder = mailbox.folders.folder(mailbox.run.account_id, feed.folder.id)
    total = folder.remote_total or 0
    pending = set(mailbox.feeds.pending_ids(feed.id, total + MIN_LISTED_MESSAGES))
    number = len(pending)
    if number < max(MIN_LISTED_MESSAGES, total / MAX_LISTED_MESSAGES_PER_PENDING_MESSAGE):
        return False
    for page in provider.list_contents(feed.folder):
        found = {_id_of(each): each for each in page if _id_of(each) in pending}
        if found:
            pending -= found.keys()
            _store(mailbox, feed, found)
        if not pending or not has_time():
            break
    logger.info("pending_listed", feed_id=feed.id, pending=number, left=len(pending))
    return len(pending) <= number / 2


def _id_of(message: Message | UnreadableMessage) -> RemoteId:
    return message.remote_id


def _store(
    mailbox: Mailbox, feed: FeedRef, found: dict[RemoteId, Message | UnreadableMessage]
) -> None:
    in_order = [found[each] for each in sorted(found)]
    plan = PagePlan(
        upserts=tuple(each for each in in_order if isinstance(each, Message)),
        unreadable_messages=tuple(each for each in in_order if isinstance(each, UnreadableMessage)),
    )
    mailbox.mail.write_pending_messages(mailbox.run, feed, plan, sorted(found), has_more=True)
