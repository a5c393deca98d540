"""Quarantine: messages that exist at the provider and cannot be stored."""

from collections.abc import Collection

from mailsync.model import FolderId, RemoteId, RunRef
from mailsync.store import rows
from mailsync.store.connection import Database
from mailsync.store.fence import Fenced


class QuarantineStore:
    """Raises StoreUnavailable and StoreRejected, and LeaseLost from writers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def leave(
        self, run: RunRef, ids: Collection[RemoteId], folder_id: FolderId | None = None
    ) -> None:
        """Messages that are gone, from everywhere or from one folder."""
        with Fenced(self._database, run) as tx:
            tx.run(
                "leave_quarantine",
                account_id=run.account_id,
                folder_id=folder_id,
                ids=rows.to_json(list(ids)),
            )

    def due(self, run: RunRef, limit: int) -> tuple[RemoteId, ...]:
        """Messages worth another try: 10 minutes after the first one, doubling to a day."""
        with self._database.transaction() as tx:
            found = tx.run("due_in_quarantine", account_id=run.account_id, limit=limit)
        return tuple(RemoteId(each) for (each,) in found)

    def ids(self, run: RunRef, folder_id: FolderId) -> frozenset[RemoteId]:
        with self._database.transaction() as tx:
            found = tx.run("quarantined_ids", account_id=run.account_id, folder_id=folder_id)
        return frozenset(RemoteId(each) for (each,) in found)
