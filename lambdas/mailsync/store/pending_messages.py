"""Write which messages of a change feed are pending: named by a page, with contents that are still
to be fetched. All functions work in the caller's transaction."""

from datetime import datetime

from mailsync.decisions.safety import MIN_TIME_FROM_REMOVAL_TO_DELETION
from mailsync.model import (
    FeedRef,
    MessageToFetchById,
    Page,
    PagePlan,
    RemoteId,
    RunRef,
    StoredFeed,
    WrittenRowCounts,
)
from mailsync.store import rows
from mailsync.store.connection import Transaction
from mailsync.store.page_rows import hide_removed_messages


def save_pending_messages(
    tx: Transaction, run: RunRef, feed: FeedRef, plan: PagePlan, *, is_news: bool
) -> WrittenRowCounts:
    """Record as pending the messages of a page whose contents are fetched later.

    is_news: whether the messages are fetched before those that a full sync has named.
    """
    pending = (*plan.pending_message_ids, *plan.possibly_gone_message_ids)
    sliced = {each.remote_id: each for each in plan.messages_to_fetch_in_slices}
    if pending:
        tx.run(
            "add_pending",
            account_id=run.account_id,
            feed_id=feed.id,
            ids=rows.to_jsonb(
                [
                    [
                        each,
                        plan.conversation_id_by_pending_message_id.get(each),
                        *_time_and_version(sliced.get(each)),
                    ]
                    for each in pending
                ]
            ),
            is_news=is_news,
        )
    return WrittenRowCounts(pending=len(pending))


def _time_and_version(change: MessageToFetchById | None) -> tuple[datetime | None, str | None]:
    if change is None or change.listed_message is None:
        return None, None
    return change.received_at, change.listed_message.remote_version


def mark_pending_messages_reported_removed(
    tx: Transaction, feed: StoredFeed, page: Page, plan: PagePlan
) -> None:
    """Mark the pending messages that a page reports as removed. If the page is the first of a list
    of all messages, mark every pending message of the feed; a later page of the list that names a
    message removes its mark.

    A marked message is requested by id once more. If the provider then reports the message as gone,
    the message is no longer pending.
    """
    is_first_of_list = page.has_only_message_ids and feed.position.sealed_cursor is None
    if plan.message_ids_to_remove_from_folder or is_first_of_list:
        ids = (
            None
            if is_first_of_list
            else rows.to_jsonb(list(plan.message_ids_to_remove_from_folder))
        )
        tx.run("note_removed_pending", feed_id=feed.ref.id, ids=ids)


def record_pending_messages_reported_gone(
    tx: Transaction, run: RunRef, feed: FeedRef, plan: PagePlan
) -> WrittenRowCounts:
    """Record that the provider, requested by id, reports pending messages as gone
    (`PagePlan.possibly_gone_message_ids`).

    A message stays pending, and is requested again later, until a second source confirms that the
    message is gone. The second source is the change feed, a complete list, or another report by id
    at least two hours later. A confirmed message is hidden and is no longer pending. After a
    confirmation by a second report, the next verification compares the ids of archive, trash and
    junk, which together contain every message.
    """
    if not plan.possibly_gone_message_ids:
        return WrittenRowCounts()
    confirmed = tx.run(
        "note_missing",
        feed_id=feed.id,
        ids=rows.to_jsonb(list(plan.possibly_gone_message_ids)),
        confirmed_s=MIN_TIME_FROM_REMOVAL_TO_DELETION.total_seconds(),
    )
    gone = tuple(RemoteId(each) for (each,) in confirmed)
    return hide_removed_messages(tx, run, feed, PagePlan(message_ids_to_remove_from_folder=gone))


def remove_fetched_messages_from_pending(tx: Transaction, feed: FeedRef, plan: PagePlan) -> None:
    """Delete the pending records of messages whose contents this page contains, so that they are
    not fetched again. A message that the page reports as removed stays pending, because the
    provider may be wrong."""
    fetched = (
        *(each.remote_id for each in plan.upserts),
        *(each.remote_id for each in plan.unreadable_messages),
    )
    if fetched:
        tx.run("drop_pending", feed_id=feed.id, ids=rows.to_jsonb(list(fetched)))
