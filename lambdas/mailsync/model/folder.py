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
"""Every mailbox has folders with these roles, and its owner cannot delete them, unless a
`FolderListing` says otherwise."""


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder as the provider lists it.

    total, unread: the provider's counts of all and of unread messages. None: the provider lists no
        counts.
    are_counts_read: whether `total` and `unread` were read. False: they are None, and the stored
        counts of the folder stay.
    """

    remote_id: RemoteId
    parent_remote_id: RemoteId | None
    display_name: str
    role: Role
    total: int | None
    unread: int | None
    is_hidden: bool = False
    are_counts_read: bool = True


class TreeReadingMode(StrEnum):
    """How much of the provider's folder tree a sync reads.

    QUICK: folders in which changes are likely. Folders that were listed within the last hour may be
        left out, and counts that cost a request for each folder are read for those folders only
        whose `StoredFolder.are_counts_wanted` is set.
    WHOLE: every folder that the provider lists. If a folder counts more children than the provider
        lists, its hidden children are read as well.
    THOROUGH: as WHOLE, and the hidden children of every folder, whatever the folder counts. In a
        large mailbox a provider may read those of some folders only.
    """

    QUICK = "quick"
    WHOLE = "whole"
    THOROUGH = "thorough"


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The result of reading the provider's folder tree.

    folders: folders that exist now.
    is_whole: whether the reading covers the whole tree.
    gone_folder_ids: known folders that do not exist, according to requests by their ids.
    omitted_folder_ids: folders that the provider's list lacks, although they exist according to
        requests by their ids.
    failure_reasons: for each folder that could not be read completely, a sentence with the reason,
        by the provider's folder id.
    new_id_by_old_id: known folders that were renamed at a provider whose ids change with the name,
        as far as they were recognised. The old ids are gone.
    new_key_prefix_by_old: for each renamed folder, the prefix that the provider's ids of its
        messages have now, by the prefix that they had before.
    permanent_roles: the roles of folders that every mailbox has and that its owner cannot delete.

    A known folder that appears in none of these fields was not part of this reading.
    """

    folders: tuple[RemoteFolder, ...]
    is_whole: bool = True
    gone_folder_ids: frozenset[RemoteId] = frozenset()
    omitted_folder_ids: frozenset[RemoteId] = frozenset()
    failure_reasons: Mapping[RemoteId, str] = field(default_factory=dict)
    new_id_by_old_id: Mapping[RemoteId, RemoteId] = field(default_factory=dict)
    new_key_prefix_by_old: Mapping[str, str] = field(default_factory=dict)
    permanent_roles: frozenset[Role] = PERMANENT_ROLES

    @property
    def are_counts_read(self) -> bool:
        """Return whether the provider's counts of every listed folder were read."""
        return all(each.are_counts_read for each in self.folders)


@dataclass(frozen=True, slots=True)
class NewestMail:
    """The Inbox and its newest messages, read before the folder tree and outside the change feed.

    messages: complete messages that name the Inbox as their folder; empty if they could not be
        read. They prove nothing: the list may be wrong, and the full sync of the feed decides.
    """

    inbox: RemoteFolder
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """A folder as stored in the database.

    is_selected: whether the folder's mail is mirrored.
    feed: the change feed that reports the folder's changes. It belongs to this folder or to the
        whole mailbox.
    remote_total, remote_unread: the provider's counts when the folder tree was last read. None: the
        provider does not count this folder.
    last_changed_at: when a sync last found a change in the folder. None: no sync has found one.
    are_counts_wanted: whether changes of the folder were stored since the provider's counts were
        last read. See `TreeReadingMode.QUICK`.
    """

    ref: FolderRef
    parent_remote_id: RemoteId | None
    display_name: str
    role: Role
    is_hidden: bool
    is_selected: bool
    feed: StoredFeed
    remote_total: int | None = None
    remote_unread: int | None = None
    last_changed_at: datetime | None = None
    are_counts_wanted: bool = False


def feeds_of(folders: Iterable[StoredFolder]) -> tuple[StoredFeed, ...]:
    """Return the change feeds of the folders, each once."""
    return tuple({folder.feed.ref.id: folder.feed for folder in folders}.values())
