"""Messages, and the changes that a provider reports."""

from dataclasses import dataclass
from datetime import datetime

from mailsync.model.ids import Cursor, RemoteId


@dataclass(frozen=True, slots=True)
class Address:
    """A mail address with its display name; either may be empty."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, with every field that the mirror stores.

    Only the ids are always present: drafts have no sender, and items that are not mail (a contact
    in Deleted Items) have hardly any field. Times are aware and in UTC.
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
    """The provider's version of the message (Graph: `changeKey`); None without one."""


@dataclass(frozen=True, slots=True)
class Upsert:
    message: Message


@dataclass(frozen=True, slots=True)
class PartialChange:
    """A message is new or changed, and the page does not contain all of it: fetch it by its id.

    entry: what the page says about its state. A row in that state need not be fetched. None where
        the page says too little.
    """

    remote_id: RemoteId
    entry: "RemoteEntry | None" = None


@dataclass(frozen=True, slots=True)
class RemovedMessage:
    """A message left this folder; it may still exist in another one."""

    remote_id: RemoteId


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that exists and could not be read: `cause` is a constant, `detail` a sentence."""

    remote_id: RemoteId
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class GoneMessage:
    """A message that the provider does not know, or keeps where no folder lists it."""

    remote_id: RemoteId


Change = Upsert | PartialChange | RemovedMessage | Unreadable


@dataclass(frozen=True, slots=True)
class Page:
    """One page of changes after a cursor, in the provider's order; duplicates are normal.

    next_cursor: the position after this page, also after the last one.
    has_more: False where the folder is up to date as of the start of the round. An empty page may
        have more pages behind it.
    is_final: `next_cursor` leads nowhere; the next round is a new full sync.
    """

    changes: tuple[Change, ...]
    next_cursor: Cursor
    has_more: bool
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """One message of a listing, with what is needed to compare it with a row.

    version: the provider's version of the message; None without one.
    modified_at: decides for rows that were stored without a version.
    """

    remote_id: RemoteId
    is_read: bool
    version: str | None = None
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IdListing:
    """All messages of a folder as the provider lists them, without the change feed.

    total: the provider's count of this list; None if it gave none.
    """

    entries: tuple[RemoteEntry, ...]
    total: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the listing has as many entries as the provider counted."""
        return self.total == len(self.entries)


@dataclass(frozen=True, slots=True)
class PagePlan:
    """The writes of one page: one per message, the last change wins."""

    upserts: tuple[Message, ...] = ()
    partial: tuple[PartialChange, ...] = ()
    removals: tuple[RemoteId, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenRowCounts:
    """How many rows of `emails` one transaction wrote, by kind."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    quarantined: int = 0

    def __add__(self, other: "WrittenRowCounts") -> "WrittenRowCounts":
        return WrittenRowCounts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.removed + other.removed,
            self.quarantined + other.quarantined,
        )
