"""Write changes of placements (which folders a message is in) and of flags, at a provider whose
messages keep their contents. All functions work in the caller's transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mailsync.model import (
    FeedId,
    FolderId,
    PagePlan,
    PlacementOrFlagChange,
    RemoteId,
    RunRef,
    WrittenRowCounts,
)
from mailsync.store import rows
from mailsync.store.connection import Transaction
from mailsync.store.parameters import JsonBytes


@dataclass(frozen=True, slots=True)
class ClassifiedPlacementChanges:
    """The ids of messages that entered or left folders, in three sets. A message can be in several
    of the sets.

    stored_and_shown_message_ids: messages that are stored and not hidden.
    pending_message_ids: messages whose contents are still to be fetched.
    message_ids_added_to_mirrored_folders: messages that a change adds to a mirrored folder. All
        changed messages, if the folder of all mail is mirrored.
    """

    stored_and_shown_message_ids: set[RemoteId] = field(default_factory=set)
    pending_message_ids: set[RemoteId] = field(default_factory=set)
    message_ids_added_to_mirrored_folders: set[RemoteId] = field(default_factory=set)


def classify_placement_changes(
    tx: Transaction,
    run: RunRef,
    feed_id: FeedId,
    changes: Sequence[PlacementOrFlagChange],
    all_mail: RemoteId | None,
) -> ClassifiedPlacementChanges:
    """Classify the changed messages: which are stored and not hidden, which are pending, and which
    enter a mirrored folder.

    all_mail: the folder of all mail (`ProviderTraits.all_mail_folder_id`). None: there is none.
    """
    result = ClassifiedPlacementChanges()
    for message_id, is_shown, is_pending, is_mirrored in tx.run(
        "sort_changes",
        account_id=run.account_id,
        feed_id=feed_id,
        all_mail=all_mail,
        changes=_changes_json(changes),
    ):
        for is_one, ids in (
            (is_shown, result.stored_and_shown_message_ids),
            (is_pending, result.pending_message_ids),
            (is_mirrored, result.message_ids_added_to_mirrored_folders),
        ):
            if is_one:
                ids.add(RemoteId(message_id))
    return result


def save_placement_changes(
    tx: Transaction,
    run: RunRef,
    changes: Sequence[PlacementOrFlagChange],
    all_mail: RemoteId | None,
) -> WrittenRowCounts:
    """Apply changes of placements and flags to stored messages. Hide a message that is in no folder
    afterwards.

    A separate statement locks the messages first, in the order of their ids. Changes that another
    worker wrote shortly before are therefore kept.
    """
    if not changes:
        return WrittenRowCounts()
    ids = rows.to_jsonb([each.remote_id for each in changes])
    tx.run("lock_messages", account_id=run.account_id, ids=ids)
    updated = tx.run_returning_row_count(
        "save_placement_changes",
        account_id=run.account_id,
        changes=_changes_json(changes),
        all_mail=all_mail,
    )
    return WrittenRowCounts(updated=updated, unchanged=len(changes) - updated)


def list_ids_of_folders_with_messages(
    tx: Transaction, run: RunRef, ids: Sequence[RemoteId]
) -> tuple[FolderId, ...]:
    """Return the ids of the folders that contain these messages."""
    if not ids:
        return ()
    found = tx.run(
        "list_ids_of_folders_with_messages", account_id=run.account_id, ids=rows.to_jsonb(list(ids))
    )
    return tuple(FolderId(folder_id) for (folder_id,) in found)


def schedule_reading_of_remote_counts(
    tx: Transaction, run: RunRef, ids: Sequence[RemoteId], left: Sequence[FolderId]
) -> None:
    """Mark folders so that the next verification reads their message counts from the provider.

    ids: changed messages. The folders that contain these messages now are marked.
    left: ids of the folders that contained the messages before. These folders are marked, too.
    """
    if ids:
        tx.run(
            "mark_counts_wanted",
            account_id=run.account_id,
            ids=rows.to_jsonb(list(ids)),
            folder_ids=rows.to_jsonb(list(left)),
        )


def list_ids_of_messages_changed_by_page(plan: PagePlan) -> tuple[RemoteId, ...]:
    """Return the ids of the messages that a page of changes writes."""
    return (
        *(each.remote_id for each in plan.upserts),
        *(each.remote_id for each in plan.placement_or_flag_changes),
        *plan.message_ids_to_remove_from_folder,
    )


def _changes_json(changes: Iterable[PlacementOrFlagChange]) -> JsonBytes:
    return rows.to_jsonb(
        [
            {
                "message_id": each.remote_id,
                "added": list(each.added_folder_remote_ids),
                "removed": list(each.removed_folder_remote_ids),
                "is_read": each.is_read,
                "is_flagged": each.is_flagged,
                "importance": each.importance,
            }
            for each in changes
        ]
    )
