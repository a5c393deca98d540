"""Messages, and what a provider says has become of them."""

from dataclasses import dataclass
from datetime import datetime

from mailsync.model.ids import Cursor, RemoteId


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
    `is_final`: the cursor leads nowhere; the next round is a new full sync.
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
