"""Recognise renamed folders at a provider where a folder's id is its name.

At such a provider, a renamed folder disappears under its old id and appears under a new id. Each
message has a number in its folder, which is part of its key. A new folder is taken for a renamed
folder if the messages with the same numbers have the same fingerprints in both folders. Two
different folders may use the same numbers by chance, and a copied folder has the same fingerprints
under other numbers. Only a renamed folder has the same fingerprints under the same numbers. A
folder without stored mail, such as a deselected folder, is recognised by its name if its parent
folder is recognised as renamed.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from mailsync.errors import FolderGone, ProviderRejected
from mailsync.model import (
    FeedId,
    FeedRef,
    FolderId,
    FolderRef,
    MessageStateUpsert,
    RemoteFolder,
    RemoteId,
    RunRef,
    StoredFolder,
)
from mailsync.providers import MailProvider
from mailsync.store.message_key_store import ProviderMessageKeyStore

MESSAGES_PER_FOLDER_SAMPLE = 10
MAX_NEW_FOLDERS_COMPARED_PER_SYNC = 50
"""The maximum number of new folders that one sync compares with the stored folders."""


def find_renamed_folders(
    provider: MailProvider,
    keys: ProviderMessageKeyStore,
    run: RunRef,
    gone: Sequence[StoredFolder],
    new: Sequence[RemoteFolder],
) -> tuple[Mapping[RemoteId, RemoteId], Mapping[str, str]]:
    """Find the folders that were renamed at the provider. Return two mappings: from the old id of
    each renamed folder to its new id, and from the old prefix of message keys to the new prefix.

    The key of a message is its id at the provider. It begins with a prefix that all keys of the
    folder share.

    gone: stored folders that no longer exist under their ids.
    new: folders that the provider lists and that are not stored.
    """
    renamed: dict[RemoteId, RemoteId] = {}
    prefixes: dict[str, str] = {}
    for folder in sorted(new, key=lambda each: len(each.remote_id))[
        :MAX_NEW_FOLDERS_COMPARED_PER_SYNC
    ]:
        left = [each for each in gone if each.ref.remote_id not in renamed]
        sample = _read_sample(provider, folder.remote_id)
        same = (each for each in left if _is_same(keys, run, each, folder.remote_id, sample))
        if before := next(same, None):
            prefix = RemoteId(next(iter(sample)).rpartition(":")[0] + ":")
            prefixes[_former_key(prefix, before.ref.remote_id, folder.remote_id)] = prefix
        else:
            along = (each for each in left if _is_renamed_with_parent(each, folder, renamed))
            empty = (each for each in along if not keys.message_keys_in_folder(run, each.ref.id))
            before = next(empty, None)
        if before:
            renamed[before.ref.remote_id] = folder.remote_id
    return renamed, prefixes


def _read_sample(provider: MailProvider, folder: RemoteId) -> Mapping[RemoteId, str]:
    """Return keys and fingerprints of the newest messages of a folder."""
    feed = FeedRef(FeedId(0), FolderRef(FolderId(0), folder))
    with suppress(FolderGone, ProviderRejected):
        page = provider.fetch_feed_page(feed, None, limit=MESSAGES_PER_FOLDER_SAMPLE)
        states = (each for each in page.changes if isinstance(each, MessageStateUpsert))
        return {
            each.remote_id: each.move_invariant_fingerprint
            for each in states
            if each.move_invariant_fingerprint
        }
    return {}


def _is_same(
    keys: ProviderMessageKeyStore,
    run: RunRef,
    before: StoredFolder,
    name: RemoteId,
    sample: Mapping[RemoteId, str],
) -> bool:
    """Return whether stored messages of the folder `before` have the numbers and fingerprints of
    the sample, and none has another fingerprint. The previous release may have stored the new keys
    of the messages without renaming the folder, so both the old and the new keys are compared."""
    former = {_former_key(key, before.ref.remote_id, name): key for key in sample}
    stored = keys.find_move_invariant_fingerprints_by_key(run, before.ref.id, [*former, *sample])
    agrees = [sample[former.get(key, key)] == each for key, each in stored.items()]
    return bool(agrees) and all(agrees)


def _is_renamed_with_parent(
    before: StoredFolder, folder: RemoteFolder, renamed: Mapping[RemoteId, RemoteId]
) -> bool:
    """Return whether the stored folder, after the renaming of its parent, has the parent and name
    of the new folder."""
    parent = before.parent_remote_id
    return (
        parent is not None
        and parent in renamed
        and renamed[parent] == folder.parent_remote_id
        and before.display_name == folder.display_name
    )


def _former_key(key: RemoteId, before: RemoteId, name: RemoteId) -> RemoteId:
    """Return the key that a message had before its folder was renamed."""
    return RemoteId(before + key.removeprefix(name))
