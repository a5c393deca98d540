"""Folders: as the provider lists them and as the store knows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mailsync.model.account import SealedSecret
from mailsync.model.ids import FolderId, RemoteId


class Role(StrEnum):
    """The purpose of a folder, independent of its name in the user's language."""

    INBOX = "inbox"
    SENT = "sent"
    DRAFTS = "drafts"
    TRASH = "trash"
    JUNK = "junk"
    ARCHIVE = "archive"
    OUTBOX = "outbox"
    OTHER = "other"


PERMANENT_ROLES = frozenset({Role.INBOX, Role.SENT, Role.DRAFTS, Role.TRASH})
"""Every mailbox has folders with these roles, and its owner cannot delete them."""


@dataclass(frozen=True, slots=True)
class FolderRef:
    """The two ids of a folder: the database's and the provider's."""

    id: FolderId
    remote_id: RemoteId


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder as the provider lists it.

    total, unread: the provider's counts of all and of unread messages. None: not listed.
    """

    remote_id: RemoteId
    parent_remote_id: RemoteId | None
    display_name: str
    role: Role
    total: int | None
    unread: int | None
    hidden: bool = False


class TreeReadingDepth(StrEnum):
    """How much of the provider's folder tree a sync reads.

    QUICK: folders in which changes are likely; folders that were listed within the hour may be left
        out.
    WHOLE: every folder that the provider lists; where a folder counts more children than are
        listed, its hidden children as well.
    THOROUGH: the hidden children of every folder, whatever its count says.
    """

    QUICK = "quick"
    WHOLE = "whole"
    THOROUGH = "thorough"


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The result of reading the provider's folder tree.

    folders: folders that exist now.
    is_whole: the reading left out no part of the tree.
    gone_folder_ids: known folders that do not exist, according to requests by their ids.
    omitted_folder_ids: folders that exist according to requests by their ids, but that the
        provider's list lacks.
    failures: by provider id of each folder that could not be read completely, a sentence with the
        reason.

    A known folder that is in none of these was left out of this reading.
    """

    folders: tuple[RemoteFolder, ...]
    is_whole: bool = True
    gone_folder_ids: frozenset[RemoteId] = frozenset()
    omitted_folder_ids: frozenset[RemoteId] = frozenset()
    failures: Mapping[RemoteId, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far the sync has read the change feed of a folder.

    cursor: the next position in the feed, sealed because it may grant access to the mailbox. None:
        the full sync has stored no page yet.
    generation: number of the folder's current or last full sync, from 1.
    full_sync_running: whether pages of that full sync are still missing.
    page_size: page size that last worked. None: the default.
    mid_round: whether pages of the current round (one pass over the feed) are still missing.
    fallback: number of the provider's feeds that have failed for this folder.
    """

    cursor: SealedSecret | None
    generation: int
    full_sync_running: bool
    page_size: int | None = None
    mid_round: bool = False
    fallback: int = 0

    @property
    def is_start_of_round(self) -> bool:
        """Return whether the next page is the first of a round, which reports changes up to now."""
        return self.cursor is None or not self.mid_round


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """A folder as stored in the database.

    selected: whether its mail is mirrored.
    remote_total, remote_unread: the provider's counts when the folder tree was last read.
    last_changed_at: when a sync last found a change in the folder. None: never.
    feed_read_at: when its change feed was last read. None: never.
    """

    ref: FolderRef
    parent_remote_id: RemoteId | None
    display_name: str
    role: Role
    hidden: bool
    selected: bool
    position: FeedPosition
    remote_total: int = 0
    remote_unread: int = 0
    last_changed_at: datetime | None = None
    feed_read_at: datetime | None = None
