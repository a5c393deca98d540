"""Write the rows of messages, from a page of changes or fetched by id. All functions work in the
caller's transaction.

A message that cannot be stored goes into quarantine with its cause; the other messages are stored.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from mailsync.errors import StoreRejected
from mailsync.model import (
    FeedRef,
    FolderId,
    FolderRef,
    Message,
    MessageStateUpsert,
    PagePlan,
    RemoteId,
    RunRef,
    UnreadableMessage,
    WrittenRowCounts,
)
from mailsync.store import rows
from mailsync.store.connection import Transaction
from mailsync.store.conversations import assign_conversation_ids, needs_conversation_id
from mailsync.store.rows import JsonRow

MAX_BODY_CHARS = 16 * 2**20
"""The maximum length in characters of a message's HTML and text bodies together. Exchange Online
accepts messages of 36 MB by default, attachments included, so real text is shorter. Measured: a
function that stores a body of 12 million characters (36 MB) uses 151 MB in all."""

WriteFunctionResult = TypeVar("WriteFunctionResult")
MessageOrItsStateChange = TypeVar("MessageOrItsStateChange", Message, MessageStateUpsert)


def write_then_retry_with_savepoints(
    write: Callable[[bool], WriteFunctionResult],
) -> WriteFunctionResult:
    """Call `write(False)`. If Postgres rejects a value, call `write(True)`, which sets a savepoint
    for each message. Return the result of the call that succeeded.

    Few pages need savepoints, so `write(False)` runs without the statements that set them.

    Raises:
        StoreRejected: Postgres rejects the statement for another reason than the values of a
            message.
    """
    try:
        return write(False)
    except StoreRejected as rejected:
        if not rejected.blames_values:
            raise
        return write(True)


def save_messages(
    tx: Transaction,
    run: RunRef,
    folder: FolderRef | None,
    messages: Sequence[Message],
    *,
    savepoints: bool,
    is_first_full_sync: bool = False,
) -> WrittenRowCounts:
    """Insert or update messages, and place each message in its mirrored folders.

    A message that is in no mirrored folder is taken out of all folders. If
    `any_message_needs_conversation_id(messages)`, the caller must have opened the transaction with
    `is_exclusive`.

    folder: the folder whose feed reported the messages. A message whose folders are all unknown to
        the database is placed in this folder. None: such a message is in no mirrored folder.
    savepoints: whether to put messages that Postgres rejects into quarantine instead of failing.
    is_first_full_sync: whether hardly any message is stored yet. The messages are then not compared
        with stored rows.
    """
    folder_id = folder.id if folder else None
    counts = WrittenRowCounts()
    messages, left = split_into_mirrored_and_unmirrored(tx, run, folder, messages)
    messages = assign_conversation_ids(tx, run, messages)
    if left:
        counts = WrittenRowCounts(removed=end_placements(tx, run, sorted(left), folder_id=None))
    large = [each for each in messages if count_body_chars(each) > MAX_BODY_CHARS]
    sent = [rows.message_to_row(each) | _key_row(each) for each in messages if each not in large]
    if not is_first_full_sync:
        sent = _differing(tx, run, folder_id, sent)
    upsert = _upsert_with_savepoints if savepoints else _upsert
    saved, refused = upsert(tx, run, folder_id, sent)
    refused += [
        rows.build_quarantine_row(each.remote_id, each.folder_remote_ids, "too_large", _TOO_LARGE)
        for each in large
    ]
    _enter_quarantine(tx, run, folder_id, refused)
    if saved.inserted + saved.updated < len(messages):
        _save_keys(tx, run, messages)
    written = saved.inserted + saved.updated + len(refused)
    return (
        counts
        + saved
        + WrittenRowCounts(unchanged=len(messages) - written, quarantined=len(refused))
    )


def hide_removed_messages(
    tx: Transaction, run: RunRef, feed: FeedRef, plan: PagePlan
) -> WrittenRowCounts:
    """End the placements of the messages that the page reports as removed: in the feed's folder,
    or in all folders if the feed covers the whole mailbox. A message without placements is hidden.

    The messages also leave the quarantine, the list of messages that could not be stored.
    """
    if not plan.message_ids_to_remove_from_folder:
        return WrittenRowCounts()
    folder_id = feed.folder.id if feed.folder else None
    tx.run(
        "leave_quarantine",
        account_id=run.account_id,
        folder_id=folder_id,
        ids=rows.to_jsonb(plan.message_ids_to_remove_from_folder),
    )
    removed = end_placements(tx, run, plan.message_ids_to_remove_from_folder, folder_id=folder_id)
    return WrittenRowCounts(removed=removed)


def end_placements(
    tx: Transaction, run: RunRef, ids: Sequence[RemoteId], *, folder_id: FolderId | None
) -> int:
    """Take messages out of a folder, and hide the messages that are in no folder afterwards. Return
    how many messages were in the folder.

    folder_id: the folder. None: take the messages out of all folders.

    A separate statement locks the messages first. Two workers may each take a message out of one
    of its two folders at the same time. The lock makes the second worker see the change of the
    first.
    """
    locked = tx.run("lock_messages", account_id=run.account_id, ids=rows.to_jsonb(ids))
    return end_placements_of_locked_messages(tx, locked, None if folder_id is None else [folder_id])


def end_placements_of_locked_messages(
    tx: Transaction,
    locked: Sequence[Sequence[int]],
    folder_ids: Sequence[FolderId] | None,
    *,
    unseen_before: int | None = None,
) -> int:
    """Take messages out of folders, after this transaction has locked the messages. Hide those that
    are in no folder afterwards. Return how many messages were taken out of at least one folder.

    locked: the rows that the locking statement returned, each with the row id of one message.
    folder_ids: the folders. None: all folders.
    unseen_before: number of a full sync (its generation). Only placements with a smaller number are
        ended, because this full sync has not seen them. None: end all placements.
    """
    if not locked:
        return 0
    return tx.run_returning_row_count(
        "end_placements",
        email_ids=rows.to_jsonb([email_id for (email_id,) in locked]),
        folder_ids=None if folder_ids is None else rows.to_jsonb(list(folder_ids)),
        unseen_before=unseen_before,
    )


def quarantine_messages(
    tx: Transaction, run: RunRef, folder: FolderRef | None, unreadable: Sequence[UnreadableMessage]
) -> WrittenRowCounts:
    """Record messages that could not be read in the quarantine; return how many were recorded.

    folder: folder of the messages that name no folder. None: such messages keep the folder under
        which they are already in quarantine.
    """
    entries = [
        rows.build_quarantine_row(
            each.remote_id, each.folder_remote_ids, each.cause_name, each.cause_explanation
        )
        for each in unreadable
    ]
    _enter_quarantine(tx, run, folder.id if folder else None, entries)
    return WrittenRowCounts(quarantined=len(unreadable))


def mark_messages_seen_by_full_sync(
    tx: Transaction, run: RunRef, unchanged: Sequence[RemoteId]
) -> WrittenRowCounts:
    """Set the generation of the feed's full sync on the placements of unchanged messages, so that
    the end of the full sync does not hide them. Remove the messages from quarantine."""
    if unchanged:
        tx.run("stamp_generation", account_id=run.account_id, ids=rows.to_jsonb(sorted(unchanged)))
    return WrittenRowCounts(unchanged=len(unchanged))


def _save_keys(tx: Transaction, run: RunRef, messages: Sequence[Message]) -> None:
    """Store the key of each message whose id changes when it moves, and the conversation of each
    message whose conversation Mailsync computes."""
    keys = [{"message_id": each.remote_id, **row} for each in messages if (row := _key_row(each))]
    if keys:
        tx.run("save_keys", account_id=run.account_id, keys=rows.to_jsonb(keys))


def _key_row(message: Message) -> JsonRow:
    """Return the message's values for the statement `save_keys`, by name. Return {} if the message
    needs no key."""
    is_conversation_ours = needs_conversation_id(message)
    if not (message.current_remote_id or is_conversation_ours):
        return {}
    return {
        "remote_key": message.current_remote_id or message.remote_id,
        "fingerprint": message.move_invariant_fingerprint,
        "own_conversation_id": message.conversation_id if is_conversation_ours else None,
    }


_TOO_LARGE = f"The body has more than {MAX_BODY_CHARS:,} characters."


def split_into_mirrored_and_unmirrored(
    tx: Transaction,
    run: RunRef,
    folder: FolderRef | None,
    messages: Sequence[MessageOrItsStateChange],
) -> tuple[Sequence[MessageOrItsStateChange], frozenset[RemoteId]]:
    """Return two results: the messages that are in a mirrored folder, each with only its mirrored
    folders, and the ids of the messages that are in no mirrored folder.

    folder: the mirrored folder whose feed named the messages. A folder that the database does not
        have yet then counts as mirrored. None: such a folder does not count as mirrored.
    """
    named = {each for message in messages for each in message.folder_remote_ids}
    if folder:
        named -= {folder.remote_id}
    if not named:
        return messages, frozenset()
    found = tx.run(
        "are_selected", account_id=run.account_id, remote_ids=rows.to_jsonb(sorted(named))
    )
    left_out = {remote_id for remote_id, is_selected in found if not is_selected}
    if folder is None:
        left_out |= named - {remote_id for remote_id, _ in found}
    mirrored = [
        (each, tuple(name for name in each.folder_remote_ids if name not in left_out))
        for each in messages
    ]
    kept = [
        each if folders == each.folder_remote_ids else replace(each, folder_remote_ids=folders)
        for each, folders in mirrored
        if folders
    ]
    return kept, frozenset(each.remote_id for each, folders in mirrored if not folders)


def count_body_chars(message: Message) -> int:
    """Return the number of characters in the bodies (HTML and text) of a message."""
    return len(message.body_html or "") + len(message.body_text or "")


def _differing(
    tx: Transaction, run: RunRef, folder_id: int | None, sent: list[JsonRow]
) -> list[JsonRow]:
    """Return the rows that differ from the stored rows, without bodies that are stored already. Set
    the generation of the feed's full sync on the placements of the other messages."""
    if not sent:
        return sent
    known = {
        message_id: (same_row, same_body)
        for message_id, same_row, same_body in tx.run(
            "known_emails",
            account_id=run.account_id,
            folder_id=folder_id,
            keys=rows.message_ids_and_hashes_json(sent),
        )
    }
    same = {message_id for message_id, each in known.items() if all(each)}
    if same:
        tx.run("stamp_generation", account_id=run.account_id, ids=rows.to_jsonb(sorted(same)))
    return [
        rows.copy_message_row_without_bodies(row)
        if known.get(row["message_id"], (False, False))[1]
        else row
        for row in sent
        if row["message_id"] not in same
    ]


def _upsert(
    tx: Transaction, run: RunRef, folder_id: int | None, sent: Sequence[JsonRow]
) -> tuple[WrittenRowCounts, list[JsonRow]]:
    counts = WrittenRowCounts()
    account_id = run.account_id
    for page in rows.chunk_rows_by_size(sent):
        [[inserted, updated]] = tx.run(
            "upsert_emails", account_id=account_id, folder_id=folder_id, page=page
        )
        counts += WrittenRowCounts(inserted=inserted, updated=updated)
    if counts.inserted < len(sent):
        tx.run(
            "save_placements",
            account_id=run.account_id,
            folder_id=folder_id,
            keys=rows.message_and_folder_ids_json(sent),
        )
    return counts, []


def _upsert_with_savepoints(
    tx: Transaction, run: RunRef, folder_id: int | None, sent: Sequence[JsonRow]
) -> tuple[WrittenRowCounts, list[JsonRow]]:
    """Write the rows under a savepoint. If Postgres rejects a value, write each half of the rows in
    this way, until single messages are left. Return the numbers of written rows, and the quarantine
    rows of the rejected messages."""
    try:
        with tx.savepoint():
            return _upsert(tx, run, folder_id, sent)
    except StoreRejected as rejected:
        if not rejected.blames_values:
            raise
        if len(sent) == 1:
            row = sent[0]
            remote_id, folders = row["message_id"], row["folder_remote_ids"]
            return WrittenRowCounts(), [
                rows.build_quarantine_row(remote_id, folders, "refused", str(rejected))
            ]
    half = len(sent) // 2
    first, refused_first = _upsert_with_savepoints(tx, run, folder_id, sent[:half])
    second, refused_second = _upsert_with_savepoints(tx, run, folder_id, sent[half:])
    return first + second, refused_first + refused_second


def _enter_quarantine(
    tx: Transaction, run: RunRef, folder_id: int | None, entries: Sequence[JsonRow]
) -> None:
    if entries:
        values = {
            "account_id": run.account_id,
            "folder_id": folder_id,
            "entries": rows.to_jsonb(entries),
        }
        tx.run("enter_quarantine", **values)
        tx.run("place_quarantined", **values)
