"""From the remote folder tree and the known one to what must change."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailsync.model import (
    PERMANENT_ROLES,
    FolderId,
    FolderListing,
    KnownFolder,
    RemoteFolder,
    RemoteId,
    Role,
)
from mailsync.storable import storable

MAX_BATCH_FOLDERS = 20
MAX_BATCH_MESSAGES = 200
"""Asked for at once: about two pages, far less than is held in memory of one answer."""
MAX_SMALL_SYNC_MESSAGES = 1_000
"""Half a minute at the speed of Microsoft Graph; what is beyond is done by several functions."""


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """`changed` are new, renamed, moved or re-purposed folders; `gone` are to be hidden.

    `gone` holds only folders of which the provider, asked by their ids, says that they do not
    exist. A folder that is merely missing from the listing stays as it is.
    """

    changed: tuple[RemoteFolder, ...]
    gone: tuple[FolderId, ...]


def diff_folders(listing: FolderListing, known: Sequence[KnownFolder]) -> FolderPlan:
    """A folder that was deleted and made again under its name has another id: both are in it.

    One that every mailbox has is gone only where another one has taken its role: then the mailbox
    itself was made anew.
    """
    before = {folder.ref.remote_id: folder for folder in known}
    kept = PERMANENT_ROLES - {folder.role for folder in listing.folders}
    return FolderPlan(
        changed=tuple(
            folder for folder in listing.folders if _differs(folder, before.get(folder.remote_id))
        ),
        gone=tuple(
            folder.ref.id
            for folder in known
            if folder.ref.remote_id in listing.gone and folder.role not in kept
        ),
    )


def listing_fault(listing: FolderListing, known: Iterable[KnownFolder]) -> str | None:
    """Return why the listing cannot show that the mirror is complete, or None if it can.

    A list that lacks folders which exist may lack others as well, of which nobody knows.
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


def changed_counts(listing: FolderListing, known: Iterable[KnownFolder]) -> frozenset[RemoteId]:
    """Known folders whose counts at the provider are others than at their last reading."""
    before = {folder.ref.remote_id: folder for folder in known}
    return frozenset(
        shown.remote_id
        for shown in listing.folders
        if (folder := before.get(shown.remote_id))
        and shown.total is not None
        and (shown.total, shown.unread) != (folder.remote_total, folder.remote_unread)
    )


def sort_by_activity(folders: Iterable[KnownFolder]) -> tuple[KnownFolder, ...]:
    """The folders, the one first in which a change was found last."""
    return tuple(
        sorted(
            folders,
            key=lambda folder: -folder.active_at.timestamp() if folder.active_at else 0.0,
        )
    )


def _differs(remote: RemoteFolder, known: KnownFolder | None) -> bool:
    return known is None or (
        storable(remote.display_name),
        remote.parent_remote_id,
        remote.role,
        remote.hidden,
    ) != (known.display_name, known.parent_remote_id, known.role, known.hidden)


def sort_by_size(
    folders: Iterable[KnownFolder], remote: Iterable[RemoteFolder]
) -> tuple[FolderId, ...]:
    """The order in which folders start, so that the longest one does not start last."""
    total = {folder.remote_id: folder.total or 0 for folder in remote}
    ordered = sorted(folders, key=lambda folder: -total.get(folder.ref.remote_id, 0))
    return tuple(folder.ref.id for folder in ordered)


def batch_small_full_syncs(
    folders: Iterable[KnownFolder], remote: Iterable[RemoteFolder], *, page_size: int
) -> Iterator[tuple[KnownFolder, ...]]:
    """Batches of folders whose full sync has not begun and will not be longer than a page.

    The smallest first, up to `MAX_SMALL_SYNC_MESSAGES` in all.
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
    batch: list[KnownFolder] = []
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
