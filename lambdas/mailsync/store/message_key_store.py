"""Store the keys of messages: their present ids at a provider whose ids change with each move.

Raises StoreUnavailable and StoreRejected.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass

from mailsync.model import FolderId, RemoteId, RunRef
from mailsync.store import rows
from mailsync.store.connection import Database
from mailsync.store.fence import FencedTransaction
from mailsync.store.parameters import JsonBytes


@dataclass(frozen=True, slots=True)
class ArrivalUnderUnknownProviderKey:
    """A message that arrived under a key that no stored message has.

    folder_id: the folder in which the message arrived. None: the change feed that reported the
        arrival covers the whole mailbox.
    valid_key_prefix: the text with which every valid key of the folder begins.
    """

    remote_key: RemoteId
    fingerprint: str
    folder_id: FolderId | None
    valid_key_prefix: str


class ProviderMessageKeyStore:
    """Reads and writes message keys. The id of a message is the key that it had when it was first
    seen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_stored_message_ids_of_keys(
        self, run: RunRef, keys: Collection[RemoteId]
    ) -> dict[RemoteId, RemoteId]:
        """Return, for each key (the provider's present id of a message), the id under which
        Mailsync has stored the message. Keys of messages that are not stored are left out."""
        if not keys:
            return {}
        with self._database.transaction() as tx:
            found = tx.run("ids_of_keys", account_id=run.account_id, keys=_json(keys))
        return {RemoteId(key): RemoteId(message_id) for key, message_id in found}

    def find_keys_of_stored_message_ids(
        self, run: RunRef, ids: Collection[RemoteId]
    ) -> dict[RemoteId, tuple[RemoteId, str | None]]:
        """Return for each message id the message's key and its Message-ID header (None if no header
        is stored). Ids of messages that are not stored are left out."""
        if not ids:
            return {}
        with self._database.transaction() as tx:
            found = tx.run("keys_of_ids", account_id=run.account_id, ids=_json(ids))
        return {RemoteId(message_id): (RemoteId(key), name) for message_id, key, name in found}

    def message_keys_in_folder(self, run: RunRef, folder_id: FolderId) -> frozenset[RemoteId]:
        """Return the keys of the folder's messages."""
        with self._database.transaction() as tx:
            found = tx.run("keys_in_folder", account_id=run.account_id, folder_id=folder_id)
        return frozenset(RemoteId(key) for (key,) in found)

    def find_keys_of_new_or_changed_messages(
        self, run: RunRef, folder_id: FolderId, versions: Mapping[RemoteId, str]
    ) -> frozenset[RemoteId]:
        """Return the keys of messages that are not stored in this folder, or that are stored in
        another version.

        versions: for each key, the version that the provider reports.
        """
        states = [{"remote_key": key, "version": it} for key, it in versions.items()]
        with self._database.transaction() as tx:
            found = tx.run(
                "keys_without_version",
                account_id=run.account_id,
                folder_id=folder_id,
                states=rows.to_jsonb(states),
            )
        return frozenset(RemoteId(key) for (key,) in found)

    def find_move_invariant_fingerprints_by_key(
        self, run: RunRef, folder_id: FolderId, keys: Collection[RemoteId]
    ) -> dict[RemoteId, str | None]:
        """Return the fingerprints of the folder's messages that have one of these keys, by key.
        None: the message has no fingerprint."""
        with self._database.transaction() as tx:
            found = tx.run(
                "find_move_invariant_fingerprints_by_key",
                account_id=run.account_id,
                folder_id=folder_id,
                keys=_json(keys),
            )
        return {RemoteId(key): fingerprint and str(fingerprint) for key, fingerprint in found}

    def choose_message_ids_for_new_keys(
        self, run: RunRef, keys: Collection[RemoteId]
    ) -> dict[RemoteId, RemoteId]:
        """Choose a message id for each new key (a key that no stored message has). Return the ids
        by key.

        The id is the key itself, unless a stored message already has this id because it had the key
        earlier. The id is then the key, `REUSED_KEY_SUFFIX_SEPARATOR` and digits.
        """
        ids = {key: key for key in keys}
        while owners := self._owners_of_ids(run, ids.values()):
            ids |= {
                key: RemoteId(f"{key}{REUSED_KEY_SUFFIX_SEPARATOR}{owners[taken]}")
                for key, taken in ids.items()
                if taken in owners
            }
        return ids

    def _owners_of_ids(self, run: RunRef, ids: Collection[RemoteId]) -> dict[RemoteId, int]:
        """Return, by message id, the row id of each stored message that has one of these ids and
        whose key is now another one."""
        if not ids:
            return {}
        with self._database.transaction() as tx:
            found = tx.run("owners_of_ids", account_id=run.account_id, ids=_json(ids))
        return {RemoteId(message_id): number for message_id, number in found}

    def assign_new_keys_to_stored_messages(
        self,
        run: RunRef,
        arrivals: Iterable[ArrivalUnderUnknownProviderKey],
        valid_keys: Collection[RemoteId],
        *,
        is_only_folder: bool,
    ) -> dict[RemoteId, RemoteId]:
        """Find the arrived messages that are stored already. Give each of these stored messages its
        new key, and show it in the folder where it arrived. Return the ids of these messages by
        their new keys.

        An arrival matches a stored message if the fingerprints are equal, and if the stored message
        is in no folder, or is in the folder of the arrival under an invalid key. If several stored
        messages match, none is chosen. Arrivals with equal fingerprints match no message. One
        transaction changes the key and the folder: otherwise a message with a new key and without a
        folder could match a second arrival.

        valid_keys: keys that the provider reports now. The messages with these keys have not moved.
        is_only_folder: whether a message of this provider is in one folder only.

        Raises:
            LeaseLost: another execution holds the lease of the mailbox.
        """
        sent = {
            "account_id": run.account_id,
            "arrivals": rows.to_jsonb([asdict(each) for each in arrivals]),
            "valid_keys": _json(valid_keys),
        }
        with FencedTransaction(self._database, run) as tx:
            if not (found := tx.run("matching_messages", **sent)):
                return {}
            ids = rows.to_jsonb([message_id for _, message_id, *_ in found])
            tx.run("lock_messages", account_id=run.account_id, ids=ids)
            # Before the lock, another worker may have matched some of these messages.
            found = [each for each in tx.run("matching_messages", **sent) if each in found]
            pairs = [{"email_id": each[2], "remote_key": each[0]} for each in found]
            tx.run("replace_keys", keys=rows.to_jsonb(pairs))
            for folder_id in {each[3] for each in found} - {None}:
                here = [each[2] for each in found if each[3] == folder_id]
                tx.run(
                    "show_again",
                    folder_id=folder_id,
                    email_ids=rows.to_jsonb(here),
                    is_only_folder=is_only_folder,
                )
        return {RemoteId(key): RemoteId(message_id) for key, message_id, *_ in found}


REUSED_KEY_SUFFIX_SEPARATOR = "~"
"""The character between a key and the digits that make a different id of the key. No key ends with
this character and digits."""


def _json(values: Collection[RemoteId]) -> JsonBytes:
    return rows.to_jsonb(sorted(values))
