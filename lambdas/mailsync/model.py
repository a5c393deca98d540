"""The words of the product, as frozen values.

Provider words (delta link, history id, UIDVALIDITY) never appear here: a provider turns them
into a `Cursor`, which only it may look inside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

AccountId = NewType("AccountId", str)
"""A uuid, as text."""
RunId = NewType("RunId", str)
"""The name of the execution, 1-80 characters."""
FolderId = NewType("FolderId", int)
"""Our own number of a folder."""
RemoteId = NewType("RemoteId", str)
"""An id given by the provider; case-sensitive, at most `MAX_REMOTE_ID_BYTES` in UTF-8."""
MAX_REMOTE_ID_BYTES = 1000
"""Ids are keys of the store, and Postgres refuses keys of more than 2,704 bytes. Graph's have
about 150; Microsoft says to reserve 512 ("EWS identifiers in Exchange")."""
MAX_USER_ID_CHARS = 255
"""Of a user of the application: the limit of OpenID Connect Core 1.0, section 2, for `sub`."""
Cursor = NewType("Cursor", str)


class Provider(StrEnum):
    MICROSOFT = "microsoft"
    GOOGLE = "google"
    IMAP = "imap"


SYNCABLE = frozenset({Provider.MICROSOFT})
"""Whose mailboxes can be synced yet."""


class SyncType(StrEnum):
    """What a trigger asks for; only `full` walks every folder again."""

    INITIAL = "initial"
    MANUAL = "manual"
    AUTO = "auto"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class SyncWish:
    """What a run is asked for. `folder_ids`, sorted, limit a `full` one to these; empty: all."""

    sync_type: SyncType
    folder_ids: tuple[FolderId, ...] = ()


class Role(StrEnum):
    """What a folder is for, whatever its name in the user's language."""

    INBOX = "inbox"
    SENT = "sent"
    DRAFTS = "drafts"
    TRASH = "trash"
    JUNK = "junk"
    ARCHIVE = "archive"
    OUTBOX = "outbox"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class RunRef:
    """One run of one mailbox, and the epoch of the lease under which it may write."""

    account_id: AccountId
    run_id: RunId
    lease_epoch: int

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "RunRef":
        return cls(AccountId(state["accountId"]), RunId(state["runId"]), int(state["leaseEpoch"]))


@dataclass(frozen=True, slots=True)
class FolderRef:
    """A folder as the provider is asked for it."""

    id: FolderId
    remote_id: RemoteId


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder as the provider shows it.

    `total` and `unread` are the provider's own counts; None: it left them out.
    """

    remote_id: RemoteId
    parent_remote_id: RemoteId | None
    display_name: str
    role: Role
    total: int | None
    unread: int | None
    hidden: bool = False


class TreeReading(StrEnum):
    """How much of the folder tree is read.

    QUICK: as much as changes are likely in; folders below parents that had their turn within the
    hour may be left out. WHOLE: every folder that the provider names or counts. THOROUGH: hidden
    folders below every other one as well, which no count may mention.
    """

    QUICK = "quick"
    WHOLE = "whole"
    THOROUGH = "thorough"


@dataclass(frozen=True, slots=True)
class FolderListing:
    """What one reading of the folder tree showed.

    `folders` are those that exist now. A known folder that is missing from them was left out of
    this reading, could not be read, or is in `gone`: the provider, asked by its id, says that it
    does not exist. `omitted` exist by their ids, although the provider's list lacks them, so the
    list was incomplete. `failures` names folders that could not be read whole, each with a
    sentence. `is_whole`: no part of the tree was left for another reading.
    """

    folders: tuple[RemoteFolder, ...]
    is_whole: bool = True
    gone: frozenset[RemoteId] = frozenset()
    omitted: frozenset[RemoteId] = frozenset()
    failures: Mapping[RemoteId, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Address:
    """Either part may be empty."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, complete as far as the mirror stores it.

    Only the ids are sure to be there: drafts have no sender, and items that are not mail
    (a contact in Deleted Items) have hardly anything. Times are aware and in UTC.
    """

    remote_id: RemoteId
    folder_remote_id: RemoteId
    internet_message_id: str | None = None
    conversation_id: str | None = None
    subject: str = ""
    sender: Address | None = None
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    preview: str = ""
    body_html: str | None = None
    body_text: str | None = None
    is_read: bool = False
    is_draft: bool = False
    is_flagged: bool = False
    has_attachments: bool = False
    importance: str = "normal"
    categories: tuple[str, ...] = ()
    received_at: datetime | None = None
    sent_at: datetime | None = None
    modified_at: datetime | None = None
    web_link: str | None = None
    kind: str = "message"
    version: str | None = None
    """The provider's own mark of this state of the message; None: it has none."""


@dataclass(frozen=True, slots=True)
class Upsert:
    message: Message


@dataclass(frozen=True, slots=True)
class PartialChange:
    """The message is new or changed, and the entry does not hold all of it: fetch it by its id.

    `entry` is what the provider says of its state, where it says enough to compare it with a row;
    a row that is equal need not be fetched.
    """

    remote_id: RemoteId
    entry: "RemoteEntry | None" = None


@dataclass(frozen=True, slots=True)
class Removal:
    """The message left this folder; whether it still exists elsewhere is not said."""

    remote_id: RemoteId


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The message exists but could not be read; `cause` is a stable word, `detail` a sentence."""

    remote_id: RemoteId
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The provider does not know the message, or holds it where no folder shows it."""

    remote_id: RemoteId


Change = Upsert | PartialChange | Removal | Unreadable


@dataclass(frozen=True, slots=True)
class Page:
    """The changes after a cursor, in the provider's order; duplicates are normal.

    `next_cursor` is set on every page, also the last. `has_more` is False when the folder is
    up to date as of the round's first page; an empty page may still have more behind it.
    `is_final`: nothing goes on behind it, the next round is a new walk.
    """

    changes: tuple[Change, ...]
    next_cursor: Cursor
    has_more: bool
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """One message of a listing, just enough to compare it with a row.

    `version` is the provider's mark of its state, None where it has none; `modified_at` tells
    whether a row that was stored without a version can be of this state.
    """

    remote_id: RemoteId
    is_read: bool
    version: str | None = None
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IdListing:
    """The messages of a folder as the provider lists them, without the change feed.

    `total` is the provider's own count of this very list, None when it gave none: a listing of as
    many entries is complete.
    """

    entries: tuple[RemoteEntry, ...]
    total: int | None = None

    @property
    def is_complete(self) -> bool:
        return self.total == len(self.entries)


@dataclass(frozen=True, slots=True)
class PagePlan:
    """What one page means for the rows: one write per message, the last change wins."""

    upserts: tuple[Message, ...] = ()
    partial: tuple[PartialChange, ...] = ()
    removals: tuple[RemoteId, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """What one transaction did to the rows of `emails`."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    quarantined: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.removed + other.removed,
            self.quarantined + other.quarantined,
        )


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret under a data key: nonce, ciphertext and tag."""

    key_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """Where the sync stands in a folder.

    `cursor` is sealed, for a provider may take it for a key to the mailbox; None: the walk has
    not begun. `walk` numbers the walks of this folder from 1;
    `walking` is True until the last page of the walk is stored. `page_size` is what was last
    found to work, None for the default. `midway`: the next page goes on with a round of pages,
    a walk or the changes since the round before. `fallback` is how many of the provider's feeds
    have failed for this folder.
    """

    cursor: Sealed | None
    walk: int
    walking: bool
    page_size: int | None = None
    midway: bool = False
    fallback: int = 0

    @property
    def begins_round(self) -> bool:
        """The next page, and those after it, tell what has changed until now."""
        return self.cursor is None or not self.midway


@dataclass(frozen=True, slots=True)
class KnownFolder:
    """A folder as the store knows it.

    `remote_total` and `remote_unread` are the provider's counts of its last reading. `active_at`
    is when a change was last found in the folder, `read_at` when its change feed was last read.
    """

    ref: FolderRef
    parent_remote_id: RemoteId | None
    display_name: str
    role: Role
    hidden: bool
    selected: bool
    position: Position
    remote_total: int = 0
    remote_unread: int = 0
    active_at: datetime | None = None
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account as a function needs it; no secret is in here, and no address.

    `remote_id` is the provider's own id of it. `organisation_id` is set where an organisation
    lets the application read the mailbox, None where a person does. `max_in_flight` is how many
    requests at a time the provider was last found to take, None: as many as it documents.
    `throttled_for_s` seconds from now the provider may be asked again; 0: at once.
    """

    id: AccountId
    provider: Provider
    status: str
    initial_sync_completed: bool = False
    remote_id: str = ""
    organisation_id: str | None = None
    max_in_flight: int | None = None
    throttled_for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Access:
    """A usable access token, in memory only; never printed."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an account signs in with: a person's grant, or the id of an organisation.

    `access` is the last access token, if there was one. Before `renew_after` the identity
    platform wants no request for this account; None: it named no time.
    """

    grant: Sealed | None
    access: Sealed | None
    access_expires_at: datetime | None
    organisation_id: str | None = None
    access_issued_at: datetime | None = None
    renew_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key, wrapped by the key service."""

    id: int
    wrapped: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PushChannel:
    """What a provider set up to notify us of one mailbox, and until when it does."""

    remote_id: RemoteId
    expires_at: datetime


class NoticeKind(StrEnum):
    """What a notification says about its mailbox or its channel."""

    CHANGED = "changed"
    LAPSING = "lapsing"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification as it came in; it proves by the channel's secret that it is not forged."""

    remote_id: RemoteId
    secret: str = field(repr=False)
    kind: NoticeKind
