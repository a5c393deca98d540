"""Store the keys of messages: their present ids at a provider whose ids change with each move.

Every method is one transaction. Raises StoreUnavailable and StoreRejected.
"""

from collections.abc import Collection, Mapping, Sequence

from mailsync.model import FolderId, RemoteId, RunRef
from mailsync.store import rows
from mailsync.store.connection import Database, JsonBytes
from mailsync.store.fence import FencedTransaction


class MessageKeyStore:
    """Reads and writes message keys. The id of a message is the key that it had when it was first
    seen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ids_of_keys(self, run: RunRef, keys: Collection[RemoteId]) -> dict[RemoteId, RemoteId]:
        """Return the ids of stored messages by key."""
        with self._database.transaction() as tx:
            return _pairs(tx.run("ids_of_keys", account_id=run.account_id, keys=_json(keys)))

    def keys_of_ids(self, run: RunRef, ids: Collection[RemoteId]) -> dict[RemoteId, RemoteId]:
        """Return the keys of stored messages by id."""
        with self._database.transaction() as tx:
            return _pairs(tx.run("keys_of_ids", account_id=run.account_id, ids=_json(ids)))

    def keys_in_folder(self, run: RunRef, folder_id: FolderId) -> frozenset[RemoteId]:
        """Return the keys of the folder's messages."""
        with self._database.transaction() as tx:
            found = tx.run("keys_in_folder", account_id=run.account_id, folder_id=folder_id)
        return frozenset(RemoteId(key) for (key,) in found)

    def unused_ids(self, run: RunRef, keys: Collection[RemoteId]) -> dict[RemoteId, RemoteId]:
        """Return an id for each key that no stored message has: the key itself, or an id made of it
        if a message that has another key now was first seen with this key."""
        with self._database.transaction() as tx:
            found = tx.run("owners_of_ids", account_id=run.account_id, ids=_json(keys))
        owners = {RemoteId(key): number for key, number in found}
        return {
            key: RemoteId(f"{key}{REUSED_KEY_MARK}{owners[key]}") if key in owners else key
            for key in keys
        }

    def match_arrivals(
        self,
        run: RunRef,
        folder_id: FolderId | None,
        fingerprints: Mapping[RemoteId, str],
        valid_key_prefix: str,
    ) -> dict[RemoteId, RemoteId]:
        """Find messages that arrived under a new key and are stored already, and give them this
        key. Return their ids by key.

        A message matches if exactly one stored message has its fingerprint and is in no folder, or
        is in this folder with a key that is void.

        fingerprints: the fingerprints of the arrived messages by key.
        valid_key_prefix: the text with which every valid key of the folder begins.

        Raises:
            LeaseLost: another execution holds the lease of the mailbox.
        """
        arrivals = [{"remote_key": key, "fingerprint": it} for key, it in fingerprints.items()]
        with FencedTransaction(self._database, run) as tx:
            found = tx.run(
                "match_arrivals",
                account_id=run.account_id,
                folder_id=folder_id,
                arrivals=rows.to_jsonb(arrivals),
                valid_key_prefix=valid_key_prefix,
            )
        return _pairs(found)


REUSED_KEY_MARK = "~"
"""Separates a key from the digits that make another id of it. No key ends with it and digits."""


def _json(values: Collection[RemoteId]) -> JsonBytes:
    return rows.to_jsonb(sorted(values))


def _pairs(found: Sequence[Sequence[str]]) -> dict[RemoteId, RemoteId]:
    return {RemoteId(first): RemoteId(second) for first, second in found}
