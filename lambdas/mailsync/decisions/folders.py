"""Compare the provider's folder tree with the stored one, and order the work."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailsync.model import (
    PERMANENT_ROLES,
    FolderId,
    FolderListing,
    RemoteFolder,
    RemoteId,
    Role,
    StoredFolder,
)
from mailsync.storable import storable

MAX_BATCH_FOLDERS = 20
MAX_BATCH_MESSAGES = 200
"""Messages of one batch of small folders: about two pages, far below the memory limit of a
response."""
MAX_SMALL_SYNC_MESSAGES = 1_000
"""Messages of all small full syncs of one step: half a minute at the speed of Microsoft Graph. What
exceeds it is left to functions that work in parallel."""


@dataclass(frozen=True, slots=True)
class FolderTreeDiff:
    """What to change in the stored folder tree.

    changed: folders that are new, renamed, moved, or have another role.
    gone: folders to hide. The provider, requested by their ids, says that they do not exist. A
        folder that is only missing from the listing is in neither.
    """

    changed: tuple[RemoteFolder, ...]
    gone: tuple[FolderId, ...]


def diff_folders(listing: FolderListing, known: Sequence[StoredFolder]) -> FolderTreeDiff:
    """Return how the stored folder tree must change to equal the listing.

    A folder that was deleted and created again under its name has a new id: it is in both parts. A
    folder with a permanent role is gone only if another folder has taken its role, as in a mailbox
    that was re-created.
    """
    before = {folder.ref.remote_id: folder for folder in known}
    kept = PERMANENT_ROLES - {folder.role for folder in listing.folders}
    return FolderTreeDiff(
        changed=tuple(
            folder for folder in listing.folders if _differs(folder, before.get(folder.remote_id))
        ),
        gone=tuple(
            folder.ref.id
            for folder in known
            if folder.ref.remote_id in listing.gone and folder.role not in kept
        ),
    )


def explain_incomplete_listing(listing: FolderListing, known: Iterable[StoredFolder]) -> str | None:
    """Return why the listing cannot show that the mirror is complete, or None if it can.

    A list that lacks folders which exist may also lack folders that are not known yet.
    """
    if listing.omitted:
        return f"The list of folders lacks {len(listing.omitted)} that exist."
    shown = {folder.role for folder in listing.folders}
    expected = {
        folder.role
        for folder in known
        if folder.role in PERMANENT_ROLES and folder.ref.remote_id not in listing.failures
    }
    if missing := (expected | {Role.INBOX}) - shown:
        lacked = ", ".join(sorted(missing))
        return f"The list of folders lacks {lacked}, which every mailbox has."
    return None


def folders_with_changed_counts(
    listing: FolderListing, known: Iterable[StoredFolder]
) -> frozenset[RemoteId]:
    """Return the known folders whose counts at the provider changed since the last reading."""
    before = {folder.ref.remote_id: folder for folder in known}
    return frozenset(
        shown.remote_id
        for shown in listing.folders
        if (folder := before.get(shown.remote_id))
        and shown.total is not None
        and (shown.total, shown.unread) != (folder.remote_total, folder.remote_unread)
    )


def sort_by_activity(folders: Iterable[StoredFolder]) -> tuple[StoredFolder, ...]:
    """Return the folders, those with the most recent change first."""
    return tuple(
        sorted(
            folders,
            key=lambda folder: -folder.active_at.timestamp() if folder.active_at else 0.0,
        )
    )


def _differs(remote: RemoteFolder, known: StoredFolder | None) -> bool:
    return known is None or (
        storable(remote.display_name),
        remote.parent_remote_id,
        remote.role,
        remote.hidden,
    ) != (known.display_name, known.parent_remote_id, known.role, known.hidden)


def sort_by_size(
    folders: Iterable[StoredFolder], remote: Iterable[RemoteFolder]
) -> tuple[FolderId, ...]:
    """Return the folder ids by the provider's count, the largest first, so that the longest sync
    does not start last."""
    total = {folder.remote_id: folder.total or 0 for folder in remote}
    ordered = sorted(folders, key=lambda folder: -total.get(folder.ref.remote_id, 0))
    return tuple(folder.ref.id for folder in ordered)


def batch_small_full_syncs(
    folders: Iterable[StoredFolder], remote: Iterable[RemoteFolder], *, page_size: int
) -> Iterator[tuple[StoredFolder, ...]]:
    """Yield batches of folders whose full sync has not begun and fits on one page.

    The smallest folders come first, up to `MAX_SMALL_SYNC_MESSAGES` in all.
    """
    total = {folder.remote_id: folder.total for folder in remote if folder.total is not None}
    small = [
        folder
        for folder in folders
        if folder.position.full_sync_running
        and folder.position.cursor is None
        and folder.position.fallback == 0
        and total.get(folder.ref.remote_id, page_size) < page_size
    ]
    batch: list[StoredFolder] = []
    batched = seen = 0
    for folder in sorted(small, key=lambda folder: total[folder.ref.remote_id]):
        messages = total[folder.ref.remote_id]
        seen += messages
        if seen > MAX_SMALL_SYNC_MESSAGES:
            break
        if len(batch) == MAX_BATCH_FOLDERS or batched + messages > MAX_BATCH_MESSAGES:
            yield tuple(batch)
            batch, batched = [], 0
        batch.append(folder)
        batched += messages
    if batch:
        yield tuple(batch)
