"""Store the newest messages of an Inbox before its change feed is read. Every method is one
transaction, which checks the run's lease first.

Raises StoreUnavailable, StoreRejected and LeaseLost.
"""

from dataclasses import dataclass

from mailsync.metrics import MESSAGES_STORED, add_to_metric
from mailsync.model import FeedId, FeedRef, FolderId, FolderRef, NewestInboxMessages, RunRef
from mailsync.store import page_rows, rows
from mailsync.store.connection import Database, Transaction
from mailsync.store.conversations import any_message_needs_conversation_id
from mailsync.store.fence import FencedTransaction
from mailsync.store.page_writes import add_messages_outside_pages_to_run_counts


@dataclass(frozen=True, slots=True)
class NewestInboxMailStoringResult:
    """The result of storing the newest messages of an Inbox.

    stored_message_count: number of messages that were stored.
    seconds_since_run_start: seconds between the start of the run and this storing.
    """

    stored_message_count: int
    seconds_since_run_start: float


class NewestMailStore:
    """Stores the Inbox and its newest messages at the beginning of a first sync, so that an
    application can show them before the full sync of the folder."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_newest_mail(
        self, run: RunRef, newest: NewestInboxMessages
    ) -> NewestInboxMailStoringResult:
        """Store the folder Inbox, and its newest messages that are not stored yet. Messages that
        are stored already do not change.

        The list of the newest messages is not reliable. The messages are therefore stored as if an
        earlier full sync had seen them: with the generation (number of a full sync) before the
        present one. At the end of the present full sync, messages that it has not seen are hidden.
        No message is stored if the folder is not mirrored, or if its feed has been read already.
        """
        with FencedTransaction(
            self._database,
            run,
            is_exclusive=any_message_needs_conversation_id(newest.inbox_messages),
        ) as tx:
            inbox = {
                "account_id": run.account_id,
                "folders": rows.folders_json([newest.inbox_folder]),
            }
            tx.run("save_folders", **inbox, feed_id=None)
            tx.run("save_remote_counts", **inbox)  # else the sync would seem to be complete
            stored = _save_messages(tx, run, newest)
            [[after_s]] = tx.run("seconds_since_start", run_id=run.run_id)
        if stored:
            add_to_metric(MESSAGES_STORED, stored)
        return NewestInboxMailStoringResult(stored, after_s)


def _save_messages(tx: Transaction, run: RunRef, newest: NewestInboxMessages) -> int:
    """Store the messages; return their number. A long body is left to the feed, which puts it into
    quarantine."""
    account_id, remote_id = run.account_id, newest.inbox_folder.remote_id
    begins = tx.run("feed_to_begin", account_id=account_id, remote_id=remote_id)
    ids = [each.remote_id for each in newest.inbox_messages]
    if not (begins and ids):
        return 0
    stored = {
        each for (each,) in tx.run("stored_ids", account_id=account_id, ids=rows.to_jsonb(ids))
    }
    new = [
        each
        for each in newest.inbox_messages
        if each.remote_id not in stored
        and page_rows.count_body_chars(each) <= page_rows.MAX_BODY_CHARS
    ]
    if not new:
        return 0
    [[folder_id, feed_id]] = begins
    folder = FolderRef(FolderId(folder_id), remote_id)
    counts = page_rows.save_messages(
        tx, run, folder, new, savepoints=False, is_first_full_sync=True
    )
    tx.run(
        "stamp_unconfirmed",
        account_id=account_id,
        folder_id=folder.id,
        ids=rows.to_jsonb([each.remote_id for each in new]),
    )
    add_messages_outside_pages_to_run_counts(tx, run, FeedRef(FeedId(feed_id), folder), counts)
    return counts.inserted
