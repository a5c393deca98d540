"""Compare the provider's folder tree with the stored folder tree, and choose the order in which
folders are synced."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mailsync.model import (
    FeedId,
    FeedPosition,
    FolderId,
    FolderListing,
    RemoteFolder,
    RemoteId,
    Role,
    StoredFeed,
    StoredFolder,
)
from mailsync.storable import to_storable_text

MAX_FOLDERS_PER_SMALL_FOLDER_BATCH = 20
"""The maximum number of small folders whose full syncs start together in one batch."""
MAX_MESSAGES_PER_SMALL_FOLDER_BATCH = 400
"""The maximum number of messages in one batch of small folders whose full syncs start together. 400
messages are about 10 MB, and as many as a provider sends with four pages at a time."""


@dataclass(frozen=True, slots=True)
class FolderTreeDiff:
    """The changes that the stored folder tree needs to become equal to the provider's folder tree.

    new_and_changed_folders: folders that are new, renamed or moved, or whose role or
        `is_hidden_at_provider` has changed.
    gone_folder_ids: stored folders to hide, because the provider answered a request by their id
        with "not found". A folder that is only missing from the listing is neither changed nor
        gone.
    replacement_remote_id_by_folder_id: stored folders whose provider id has changed. The key is the
        folder's id in the database, the value is the folder's new id at the provider. These are
        folders that were renamed, and folders whose role (such as Inbox) a new folder has now.
    """

    new_and_changed_folders: tuple[RemoteFolder, ...]
    gone_folder_ids: tuple[FolderId, ...]
    replacement_remote_id_by_folder_id: Mapping[FolderId, RemoteId] = field(default_factory=dict)


def diff_folders(listing: FolderListing, known: Sequence[StoredFolder]) -> FolderTreeDiff:
    """Return how the stored folder tree must change to equal the provider's listing.

    If the provider answers a request by a stored folder's id with "not found", the first of these
    rules that fits applies to the stored folder:

    1. `listing.new_folder_id_by_old_id` has the folder, because the provider's code recognised it
       under a new id; or a listed folder that is not stored has the stored folder's role, as in a
       mailbox that was created again. The stored folder gets the new id.
    2. The folder has an undeletable role (such as Inbox), and no listed folder has this role. The
       stored folder stays unchanged: every mailbox has such a folder, so the listing is wrong.
    3. Otherwise the stored folder is gone. So a folder without a role that was deleted and created
       again under its old name is one gone folder and one new folder.
    """
    before = {folder.ref.remote_id: folder for folder in known}
    kept = listing.permanent_roles - {folder.role for folder in listing.folders}
    new_id_by_role = {
        folder.role: folder.remote_id
        for folder in listing.folders
        if folder.role is not Role.OTHER and folder.remote_id not in before
    }
    gone = [folder for folder in known if folder.ref.remote_id in listing.gone_folder_remote_ids]
    by_role = {folder.role: folder.ref.id for folder in gone if folder.role in new_id_by_role}
    new_ids = {folder_id: new_id_by_role[role] for role, folder_id in by_role.items()}
    new_ids |= {
        folder.ref.id: listing.new_folder_id_by_old_id[folder.ref.remote_id]
        for folder in gone
        if folder.ref.remote_id in listing.new_folder_id_by_old_id
    }
    return FolderTreeDiff(
        new_and_changed_folders=tuple(
            folder for folder in listing.folders if _differs(folder, before.get(folder.remote_id))
        ),
        gone_folder_ids=tuple(
            folder.ref.id
            for folder in gone
            if folder.role not in kept and folder.ref.id not in new_ids
        ),
        replacement_remote_id_by_folder_id=new_ids,
    )


def find_reason_of_incomplete_listing(
    listing: FolderListing, known: Iterable[StoredFolder]
) -> str | None:
    """Return the reason why the provider's folder listing is incomplete, as a sentence. An
    incomplete listing cannot verify the mirror. Return None if no folder is known to be missing.

    If the listing lacks a folder that is known to exist, the listing may also lack folders that the
    mirror does not know yet.
    """
    if unlisted := len(listing.existing_unlisted_folder_remote_ids):
        return f"The list of folders lacks {unlisted} that exist."
    shown = {folder.role for folder in listing.folders}
    expected = {
        folder.role
        for folder in known
        if folder.role in listing.permanent_roles
        and folder.ref.remote_id not in listing.failure_reason_by_folder_remote_id
    }
    if missing := (expected | {Role.INBOX}) - shown:
        lacked = ", ".join(sorted(missing))
        return f"The list of folders lacks {lacked}, which every mailbox has."
    return None


def find_folders_with_changed_counts(
    listing: FolderListing, known: Iterable[StoredFolder]
) -> frozenset[RemoteId]:
    """Return the provider ids of folders whose counts in the listing differ from the stored counts.

    The stored counts are the provider's counts at the last reading of the folder tree.
    """
    before = {folder.ref.remote_id: folder for folder in known}
    return frozenset(
        shown.remote_id
        for shown in listing.folders
        if (folder := before.get(shown.remote_id))
        and shown.message_count is not None
        and (shown.message_count, shown.unread_message_count)
        != (folder.remote_total, folder.remote_unread)
    )


def sort_folders_by_last_change(folders: Iterable[StoredFolder]) -> tuple[StoredFolder, ...]:
    """Return the folders ordered by the time of their last change, the most recent first. Folders
    without such a time come last."""
    return tuple(
        sorted(
            folders,
            key=lambda folder: (
                -folder.last_change_found_at.timestamp() if folder.last_change_found_at else 0.0
            ),
        )
    )


def _differs(remote: RemoteFolder, known: StoredFolder | None) -> bool:
    return known is None or (
        to_storable_text(remote.display_name),
        remote.parent_remote_id,
        remote.role,
        remote.is_hidden_at_provider,
    ) != (known.display_name, known.parent_remote_id, known.role, known.is_hidden_at_provider)


def sort_feeds_by_reading_priority(
    feeds: Iterable[StoredFeed], folders: Iterable[StoredFolder]
) -> tuple[StoredFeed, ...]:
    """Return the feeds in the order in which Mailsync starts to read them. The feed of the Inbox is
    first. The other feeds follow by the number of messages in their folders, the largest first,
    because large folders take longest.

    folders: the folders of the feeds, with the provider's counts.
    """
    total: Counter[FeedId] = Counter()
    of_inbox = set()
    for folder in folders:
        total[folder.feed.ref.id] += folder.remote_total or 0
        if folder.role is Role.INBOX:
            of_inbox.add(folder.feed.ref.id)
    return tuple(sorted(feeds, key=lambda feed: (feed.ref.id not in of_inbox, -total[feed.ref.id])))


def batch_small_folders_for_full_sync(
    folders: Iterable[StoredFolder],
    remote: Iterable[RemoteFolder],
    *,
    page_size: int,
    max_messages: int,
) -> Iterator[tuple[StoredFeed, ...]]:
    """Yield batches of change feeds of small folders. The caller starts the full syncs of the feeds
    of one batch together.

    A small folder has fewer messages than `page_size`, so its mail fits on one page. Only folders
    whose full sync has not stored a page yet are in the batches. The smallest folders come first.

    folders: the stored folders.
    remote: the listed folders, with the provider's counts.
    page_size: number of messages of a page.
    max_messages: the largest number of messages of all batches together. The folders that exceed
        this number are left out; Lambda functions that work in parallel read them.
    """
    total = {
        folder.remote_id: folder.message_count
        for folder in remote
        if folder.message_count is not None
    }
    starting = [
        folder
        for folder in folders
        if folder.feed.ref.folder is not None
        and folder.ref.remote_id in total
        and _is_untouched(folder.feed.position)
    ]
    small = [folder for folder in starting if total[folder.ref.remote_id] < page_size]
    batch: list[StoredFeed] = []
    batched = seen = 0
    for folder in sorted(small, key=lambda folder: total[folder.ref.remote_id]):
        messages = total[folder.ref.remote_id]
        seen += messages
        if seen > max_messages:
            break
        if (
            len(batch) == MAX_FOLDERS_PER_SMALL_FOLDER_BATCH
            or batched + messages > MAX_MESSAGES_PER_SMALL_FOLDER_BATCH
        ):
            yield tuple(batch)
            batch, batched = [], 0
        batch.append(folder.feed)
        batched += messages
    if batch:
        yield tuple(batch)


def _is_untouched(position: FeedPosition) -> bool:
    """Return whether the full sync of a feed is running, has stored no page, and reads the kind of
    feed that the provider's code tries first."""
    return (
        position.is_full_sync_running
        and position.sealed_cursor is None
        and position.feed_kind_index == 0
    )
