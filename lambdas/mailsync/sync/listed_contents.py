"""Store many changed messages of one folder from the pages of the folder's list. This saves a
request by id for each message.

A change feed may name messages without contents, for example a message that was marked as read. If
a page names many such messages and its round (the pass over the feed) has more pages, the messages
become pending. All messages of the round are then known before the first one is fetched.
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
from mailsync.providers import CompleteMessageLister
from mailsync.sync.mailbox import Mailbox

MIN_PENDING_MESSAGES_TO_LIST_FOLDER = 200
"""The minimum number of pending messages of a folder for which the folder is listed, instead of
requesting each message by id."""
MAX_FOLDER_MESSAGES_PER_PENDING_MESSAGE = 8
"""A folder is listed only if it has at most this number of messages for each pending message. On a
page of a list, a message takes at most an eighth of the time of a request by id."""
_MAX_NAMED_PER_PAGE = 20


def can_read_pending_messages_from_list(position: FeedPosition) -> bool:
    """Return whether the pending messages of a feed may be read from pages of the folder's list.

    Return False during a full sync, and after a kind of feed has failed for the folder
    (`FeedPosition.feed_kind_index`). In both cases the messages are pending because a page that
    contains them fails.
    """
    return not position.is_full_sync_running and position.feed_kind_index == 0


def should_leave_messages_pending(
    mailbox: Mailbox, feed: StoredFeed, page: Page, wanted: Collection[RemoteId]
) -> bool:
    """Return whether to leave messages pending instead of fetching each by id. Return True if the
    round probably names so many messages that it is cheaper to list the folder afterwards.

    wanted: ids of the messages that the page names without contents.
    """
    return (
        isinstance(mailbox.provider, CompleteMessageLister)
        and len(wanted) > _MAX_NAMED_PER_PAGE
        and (page.has_more or feed.has_pending_messages_due_soon)
        and can_read_pending_messages_from_list(feed.position)
    )


def store_pending_messages_from_list(
    mailbox: Mailbox, stored: StoredFeed, has_time: Callable[[], bool]
) -> bool:
    """Store the pending messages of a feed from a list of the feed's folder, if these messages are
    a large part of the folder. Return whether most of them were stored. The others stay pending.

    stored: the feed.
    has_time: returns whether there is time for another page of the list.
    """
    feed, provider = stored.ref, mailbox.provider
    if feed.folder is None or not isinstance(provider, CompleteMessageLister):
        return False
    if not can_read_pending_messages_from_list(stored.position):
        return False
    folder = mailbox.folder_store.read_folder(mailbox.run_ref.account_id, feed.folder.id)
    total = folder.remote_total or 0
    pending = set(
        mailbox.feed_store.next_pending_message_ids(
            feed.id, total + MIN_PENDING_MESSAGES_TO_LIST_FOLDER
        )
    )
    number = len(pending)
    if number < max(
        MIN_PENDING_MESSAGES_TO_LIST_FOLDER, total / MAX_FOLDER_MESSAGES_PER_PENDING_MESSAGE
    ):
        return False
    for page in provider.iter_pages_of_complete_messages(feed.folder):
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
    mailbox.mail_store.write_fetched_pending_messages(
        mailbox.run_ref, feed, plan, sorted(found), has_more=True
    )
