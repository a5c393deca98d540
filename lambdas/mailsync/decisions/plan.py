"""Plan the writes of one page of changes: one write per message."""

from typing import TypeVar

from mailsync.model import (
    MessageChange,
    MessageRemovedFromFolder,
    MessageStateUpsert,
    MessageToFetchById,
    Page,
    PagePlan,
    PlacementOrFlagChange,
    RemoteId,
    UnreadableMessage,
    Upsert,
)

ChangeT = TypeVar(
    "ChangeT",
    Upsert,
    MessageToFetchById,
    MessageStateUpsert,
    PlacementOrFlagChange,
    MessageRemovedFromFolder,
    UnreadableMessage,
)


def plan_database_writes_of_page(page: Page) -> PagePlan:
    """Return the writes for one page of changes, one write per message.

    A page may contain several changes of one message: feeds repeat changes, and a message that was
    moved into the folder may come twice. Then the last change of the message counts. For example, a
    message that the page first removes and then contains again has returned to the folder. Only
    successive changes of placements are added up.

    The writes are sorted by message id, so that concurrent transactions lock rows in the same order
    and do not deadlock. The placement changes of a list (`Page.has_only_message_ids`) keep the
    page's order.
    """
    last: dict[RemoteId, MessageChange] = {}
    for change in page.changes:
        last[change.remote_id] = _merged(last.get(change.remote_id), change)
    return PagePlan(
        upserts=tuple(each.message for each in _only(last, Upsert)),
        messages_to_fetch_now=_only(last, MessageToFetchById),
        message_ids_to_remove_from_folder=tuple(
            each.remote_id for each in _only(last, MessageRemovedFromFolder)
        ),
        unreadable_messages=_only(last, UnreadableMessage),
        state_upserts=_only(last, MessageStateUpsert),
        placement_or_flag_changes=tuple(
            each for each in last.values() if isinstance(each, PlacementOrFlagChange)
        )
        if page.has_only_message_ids
        else _only(last, PlacementOrFlagChange),
    )


def _merged(earlier: MessageChange | None, change: MessageChange) -> MessageChange:
    """Return one change in place of two successive changes of the same message.

    A change of placements is relative to the stored placements. After another kind of change on the
    same page the stored placements are outdated, so the result makes Mailsync fetch the message.
    """
    if earlier is None or not isinstance(change, PlacementOrFlagChange):
        return change
    if not isinstance(earlier, PlacementOrFlagChange):
        return MessageToFetchById(change.remote_id)
    added, removed = (
        frozenset(change.added_folder_remote_ids),
        frozenset(change.removed_folder_remote_ids),
    )
    return PlacementOrFlagChange(
        change.remote_id,
        added_folder_remote_ids=tuple(
            each for each in earlier.added_folder_remote_ids if each not in removed | added
        )
        + change.added_folder_remote_ids,
        removed_folder_remote_ids=tuple(
            each for each in earlier.removed_folder_remote_ids if each not in removed | added
        )
        + change.removed_folder_remote_ids,
        is_read=earlier.is_read if change.is_read is None else change.is_read,
        is_flagged=earlier.is_flagged if change.is_flagged is None else change.is_flagged,
        importance=change.importance or earlier.importance,
        conversation_id=change.conversation_id or earlier.conversation_id,
    )


def _only(changes: dict[RemoteId, MessageChange], kind: type[ChangeT]) -> tuple[ChangeT, ...]:
    """Return the changes of one kind, sorted by message id: writers that lock rows in the same
    order do not deadlock."""
    return tuple(each for _, each in sorted(changes.items()) if isinstance(each, kind))
