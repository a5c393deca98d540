"""Define folders as the provider lists them, and as the database stores them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mailsync.model.feed import FolderRef, StoredFeed
from mailsync.model.ids import RemoteId
from mailsync.model.message import Message


class Role(StrEnum):
    """The purpose of a folder, such as Inbox or Sent. It does not depend on the folder's name,
    which is in the user's language."""

    INBOX = "inbox"
    SENT = "sent"
    DRAFTS = "drafts"
    TRASH = "trash"
    JUNK = "junk"
    ARCHIVE = "archive"
    OUTBOX = "outbox"
    OTHER = "other"


PERMANENT_ROLES = frozenset({Role.INBOX, Role.SENT, Role.DRAFTS, Role.TRASH})
"""The roles of the folders that every mailbox has and that its owner cannot delete. A provider with
other rules names its roles in `FolderListing.permanent_roles`."""


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder as the provider lists it.

    parent_remote_id: the provider's id of the parent folder. None: a top-level folder.
    message_count, unread_message_count: the provider's counts of all and of unread messages. None:
        the provider does not count this folder, or the counts were not fetched.
    is_hidden_at_provider: whether the provider marks the folder as hidden.
    has_fetched_counts: whether this reading fetched the folder's counts. False: `message_count` and
        `unread_message_count` are None, and the database keeps the folder's stored counts.
    """

    remote_id: RemoteId
    parent_remote_id: RemoteId | None
    display_name: str
    role: Role
    message_count: int | None
    unread_message_count: int | None
    is_hidden_at_provider: bool = False
    has_fetched_counts: bool = True


class FolderTreeReadingMode(StrEnum):
    """How much of the provider's folder tree a sync reads.

    LIKELY_CHANGED_FOLDERS: only folders in which changes are likely. Folders that were listed
        within the last hour may be left out. If the provider needs one request per folder for the
        counts, only the counts of folders with `StoredFolder.are_remote_counts_outdated` are
        fetched.
    ALL_LISTED_FOLDERS: every folder that the provider lists. If the provider reports more child
        folders of a folder than it lists, the folder's hidden child folders are read as well.
    LISTED_AND_HIDDEN_FOLDERS: every folder that the provider lists, and the hidden child folders of
        every folder. In a large mailbox the code of a provider may search for hidden child folders
        below some folders only.
    """

    LIKELY_CHANGED_FOLDERS = "quick"
    ALL_LISTED_FOLDERS = "whole"
    LISTED_AND_HIDDEN_FOLDERS = "thorough"


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The result of reading the provider's folder tree.

    folders: the listed folders; they exist now.
    is_whole_tree: whether the whole tree was read. False: some folders were left out on purpose.
    gone_folder_remote_ids: provider ids of stored folders that no longer exist, according to
        requests by their ids.
    existing_unlisted_folder_remote_ids: provider ids of stored folders that exist according to
        requests by their ids, although the provider's list lacks them.
    failure_reason_by_folder_remote_id: the folders that could not be read completely. The key is
        the provider's folder id, the value is a sentence with the reason.
    new_folder_id_by_old_id: the stored folders that were recognised as renamed, at a provider where
        a folder's id changes with its name. The key is the old id, the value is the new id.
    new_message_id_prefix_by_old_prefix: one entry for each folder of `new_folder_id_by_old_id`
        that has mail. The ids of a folder's messages begin with a prefix that names the folder. The
        key is the prefix before the renaming, the value is the prefix now.
    permanent_roles: the roles of the folders that every mailbox of this provider has and
        that its owner cannot delete.

    A stored folder that appears in none of these fields was not part of this reading.
    """

    folders: tuple[RemoteFolder, ...]
    is_whole_tree: bool = True
    gone_folder_remote_ids: frozenset[RemoteId] = frozenset()
    existing_unlisted_folder_remote_ids: frozenset[RemoteId] = frozenset()
    failure_reason_by_folder_remote_id: Mapping[RemoteId, str] = field(default_factory=dict)
    new_folder_id_by_old_id: Mapping[RemoteId, RemoteId] = field(default_factory=dict)
    new_message_id_prefix_by_old_prefix: Mapping[str, str] = field(default_factory=dict)
    permanent_roles: frozenset[Role] = PERMANENT_ROLES

    @property
    def has_fetched_all_counts(self) -> bool:
        """Return whether this reading fetched the provider's counts of every listed folder."""
        return all(each.has_fetched_counts for each in self.folders)


@dataclass(frozen=True, slots=True)
class NewestInboxMessages:
    """The Inbox and its newest messages. A first sync reads them before the folder tree and not
    through the change feed, so that new mail is visible early.

    inbox_folder: the Inbox as the provider lists it.
    inbox_messages: newest messages of the Inbox with their contents. Empty: they could not be read.
        The full sync of the change feed later decides whether these messages are really in the
        Inbox, because the provider's list may be wrong.
    """

    inbox_folder: RemoteFolder
    inbox_messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """A folder as stored in the database.

    parent_remote_id: the provider's id of the parent folder. None: a top-level folder.
    is_hidden_at_provider: whether the provider marks the folder as hidden.
    is_mirrored: whether the folder's mail is mirrored.
    feed: the change feed that reports the folder's changes. The feed belongs to this folder
        or to the whole mailbox.
    remote_total, remote_unread: the provider's counts of all and of unread
        messages when the folder tree was last read. None: the provider does not count this folder.
    last_change_found_at: when a sync last found a change in the folder. None: no sync has
        found a change.
    are_remote_counts_outdated: whether changes of the folder were stored since the provider's
        counts were last fetched, so that they must be fetched again. See
        `FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS`.
    """

    ref: FolderRef
    parent_remote_id: RemoteId | None
    display_name: str
    role: Role
    is_hidden_at_provider: bool
    is_mirrored: bool
    feed: StoredFeed
    remote_total: int | None = None
    remote_unread: int | None = None
    last_change_found_at: datetime | None = None
    are_remote_counts_outdated: bool = False


def distinct_feeds_of_folders(folders: Iterable[StoredFolder]) -> tuple[StoredFeed, ...]:
    """Return the change feeds of the folders without duplicates: folders can share a feed."""
    return tuple({folder.feed.ref.id: folder.feed for folder in folders}.values())
