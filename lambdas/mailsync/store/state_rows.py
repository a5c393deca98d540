"""Write the states of stored messages, and the folders of a message if the page names all its
folders. All functions work in the caller's transaction."""

from collections.abc import Sequence

from mailsync.model import FolderRef, MessageStateUpsert, RunRef, WrittenRowCounts
from mailsync.store import rows
from mailsync.store.connection import Transaction
from mailsync.store.page_rows import end_placements, split_into_mirrored_and_unmirrored


def save_message_flags_and_placements(
    tx: Transaction,
    run: RunRef,
    folder: FolderRef | None,
    changes: Sequence[MessageStateUpsert],
    *,
    is_only_folder: bool,
) -> WrittenRowCounts:
    """Store the changed flags of stored messages, and place the messages in a folder.

    folder: the folder in which to place the messages. None: each change names all folders of its
        message, and the message is placed in the mirrored folders among them.
    is_only_folder: whether a message of this provider is in one folder only.
    """
    if not changes:
        return WrittenRowCounts()
    if folder is None:
        return _save_states_and_folders(tx, run, changes)
    ids = rows.to_jsonb([each.remote_id for each in changes])
    locked = tx.run("lock_messages", account_id=run.account_id, ids=ids)
    updated = tx.run_returning_row_count(
        "save_states", account_id=run.account_id, states=rows.state_changes_json(changes)
    )
    tx.run(
        "show_again",
        folder_id=folder.id,
        email_ids=rows.to_jsonb([email_id for (email_id,) in locked]),
        is_only_folder=is_only_folder,
    )
    return WrittenRowCounts(updated=updated, unchanged=len(changes) - updated)


def _save_states_and_folders(
    tx: Transaction, run: RunRef, changes: Sequence[MessageStateUpsert]
) -> WrittenRowCounts:
    changes, left = split_into_mirrored_and_unmirrored(tx, run, None, changes)
    removed = end_placements(tx, run, sorted(left), folder_id=None) if left else 0
    if not changes:
        return WrittenRowCounts(removed=removed)
    locked = tx.run(
        "lock_messages",
        account_id=run.account_id,
        ids=rows.to_jsonb([each.remote_id for each in changes]),
    )
    updated = tx.run_returning_row_count(
        "save_states", account_id=run.account_id, states=rows.state_changes_json(changes)
    )
    tx.run(
        "save_placements",
        account_id=run.account_id,
        folder_id=None,
        keys=rows.message_and_folder_ids_of_changes_json(changes),
    )
    email_ids = rows.to_jsonb([email_id for (email_id,) in locked])
    tx.run("show_in_placements", email_ids=email_ids)
    return WrittenRowCounts(updated=updated, unchanged=len(changes) - updated, removed=removed)
