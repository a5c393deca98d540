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
    """The ids of a folder: ours and the provider's."""

    id: FolderId
    remote_id: RemoteId


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder as the provider lists it.

    total, unread: the provider's counts; None where the provider left them out.
    """

    remote_id: RemoteId
    parent_remote_id: RemoteId | None
    display_name: str
    role: Role
    total: int | None
    unread: int | None
    hidden: bool = False


class TreeReadingDepth(StrEnum):
    """How much of the folder tree a sync reads.

    QUICK: the folders in which changes are likely; folders below parents that were read within the
        hour may be left out.
    WHOLE: every folder that the provider lists or counts.
    THOROUGH: hidden folders below every other folder as well, which no count may include.
    """

    QUICK = "quick"
    WHOLE = "whole"
    THOROUGH = "thorough"


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The result of reading the folder tree.

    folders: folders that exist now.
    is_whole: the reading left out no part of the tree.
    gone: known folders that do not exist, as the provider said when requested by their ids.
    omitted: folders that exist by their ids although the provider's list lacks them: the list was
        incomplete.
    failures: by folder that could not be read completely, a sentence that says why.

    A known folder that is in none of these was left out of this reading.
    """

    folders: tuple[RemoteFolder, ...]
    is_whole: bool = True
    gone: frozenset[RemoteId] = frozenset()
    omitted: frozenset[RemoteId] = frozenset()
    failures: Mapping[RemoteId, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """The position of the sync in the change feed of a folder.

    cursor: sealed, since a provider's link may grant access to the mailbox; None before the first
        page of a full sync.
    generation: the number of the folder's full sync, from 1.
    full_sync_running: True until the last page of that full sync is stored.
    page_size: the size that last worked; None for the default.
    mid_round: the cursor stands inside a round; the next page continues it.
    fallback: how many of the provider's feeds have failed for this folder.
    """

    cursor: SealedSecret | None
    generation: int
    full_sync_running: bool
    page_size: int | None = None
    mid_round: bool = False
    fallback: int = 0

    @property
    def starts_round(self) -> bool:
        """Whether the next page is the first of a round, which reports changes up to now."""
        return self.cursor is None or not self.mid_round


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """A folder as the store knows it.

    selected: whether its mail is mirrored.
    remote_total, remote_unread: the provider's counts at the last reading.
    active_at: when a sync last found a change in the folder.
    read_at: when its change feed was last read.
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
    active_at: datetime | None = None
    read_at: datetime | None = None
