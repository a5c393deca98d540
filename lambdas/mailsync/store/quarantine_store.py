"""Store the quarantine: the list of messages that exist at the provider and cannot be fetched or
stored."""

from collections.abc import Collection

from mailsync.model import FolderId, RemoteId, RunRef
from mailsync.store import rows
from mailsync.store.connection import Database
from mailsync.store.fence import FencedTransaction


class QuarantineStore:
    """Reads and changes the quarantine. Raises StoreUnavailable and StoreRejected; writing methods
    also raise LeaseLost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remove_messages_from_quarantine(
        self, run: RunRef, ids: Collection[RemoteId], folder_id: FolderId | None = None
    ) -> None:
        """Remove messages from the quarantine of one folder.

        folder_id: the folder. None: remove the messages from the quarantine of all folders.
        """
        with FencedTransaction(self._database, run) as tx:
            tx.run(
                "leave_quarantine",
                account_id=run.account_id,
                folder_id=folder_id,
                ids=rows.to_jsonb(list(ids)),
            )

    def message_ids_due_for_retry(self, run: RunRef, limit: int) -> tuple[RemoteId, ...]:
        """Return the ids of up to `limit` messages in quarantine that are due for another fetch.

        A message is due 10 minutes after it came into quarantine; the interval doubles with each
        failure, up to a day.
        """
        with self._database.transaction() as tx:
            found = tx.run("due_in_quarantine", account_id=run.account_id, limit=limit)
        return tuple(RemoteId(each) for (each,) in found)

    def quarantined_ids_of_folder(self, run: RunRef, folder_id: FolderId) -> frozenset[RemoteId]:
        """Return the ids of a folder's messages in quarantine."""
        with self._database.transaction() as tx:
            found = tx.run("quarantined_ids", account_id=run.account_id, folder_id=folder_id)
        return frozenset(RemoteId(each) for (each,) in found)
