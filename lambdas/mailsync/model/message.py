"""Define messages, and the changes of messages that a provider reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mailsync.model.ids import Cursor, RemoteId


@dataclass(frozen=True, slots=True)
class Address:
    """A mail address with its display name; either may be empty."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message with all fields that the mirror stores; times are in UTC.

    Only the ids are always present. Drafts have no sender, and items that are not mail (such as a
    contact in Deleted Items) lack most fields.
    """

    remote_id: RemoteId
    folder_remote_ids: tuple[RemoteId, ...]
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
    """The provider's version of the message. None: the provider gave no version."""
    fingerprint: str | None = None
    """UUID that the message keeps when it moves, and that it shares with its copies; only if the
    provider's ids change when a message moves (`ProviderTraits`). None: the provider gave none."""
    thread_keys: tuple[str, ...] | None = None
    """UUIDs that the message shares with other messages of its conversation, if the provider names
    no conversations. None: `conversation_id` is the provider's."""
    key: RemoteId | None = None
    """The provider's present id of the message, if the provider's ids change when a message moves.
    None: `remote_id` is that id."""


@dataclass(frozen=True, slots=True)
class MessageState:
    """The part of a message that can change at a provider whose messages keep their contents.

    version: text that differs whenever another field differs.
    importance: None: the provider counts importance among the contents, which do not change.
    """

    is_read: bool
    is_flagged: bool
    is_draft: bool
    categories: tuple[str, ...]
    version: str
    importance: str | None = None


@dataclass(frozen=True, slots=True)
class Upsert:
    message: Message


@dataclass(frozen=True, slots=True)
class PartialChange:
    """A new or changed message whose contents are not, or not completely, on the page of the change
    feed. The message must be fetched by its id.

    reported_state: the message's state as the page reports it. If the stored row has this state,
        the fetch is unnecessary. None: the page does not report the whole state.
    received_at: when the message arrived. None: the page does not say.
    """

    remote_id: RemoteId
    reported_state: "ListedMessage | None" = None
    received_at: datetime | None = None

    @property
    def can_be_in_slice(self) -> bool:
        """Return whether the page says enough to fetch the message by its time (`Slice`)."""
        state = self.reported_state
        return self.received_at is not None and state is not None and state.version is not None


@dataclass(frozen=True, slots=True)
class StateChange:
    """A message that is new in the feed's folder or whose state changed, at a provider whose
    messages keep their contents. Only a message that is not stored must be fetched by its id.

    fingerprint: see `Message.fingerprint`.
    folder_remote_ids: all folders of the message, in the feed of a mailbox. Empty: the feed's
        folder.
    """

    remote_id: RemoteId
    state: MessageState
    fingerprint: str | None = None
    folder_remote_ids: tuple[RemoteId, ...] = ()


@dataclass(frozen=True, slots=True)
class PlacementChange:
    """A message that exists and whose folders or flags may have changed, at a provider whose
    messages keep their contents. Only a message that is not stored must be fetched by its id.

    added, removed: the provider's ids of the folders that the message entered and left.
    is_read, is_flagged, importance: the new value. None: unchanged.
    group: text that messages share whose contents cost less if they are fetched together, at most
        `MAX_REMOTE_ID_BYTES` bytes. None: the provider has no such groups.
    """

    remote_id: RemoteId
    added: tuple[RemoteId, ...] = ()
    removed: tuple[RemoteId, ...] = ()
    is_read: bool | None = None
    is_flagged: bool | None = None
    importance: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class RemovedMessage:
    """A message that a change feed reports as removed from its folder; the message may still exist
    in another folder."""

    remote_id: RemoteId


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A message that exists at the provider and whose contents could not be read.

    cause: constant name of the reason.
    detail: sentence that explains the reason.
    folder_remote_ids: the provider's ids of the message's folders. Empty: the provider named none,
        so the message is in the folder of the page.
    """

    remote_id: RemoteId
    cause: str
    detail: str
    folder_remote_ids: tuple[RemoteId, ...] = ()


@dataclass(frozen=True, slots=True)
class GoneMessage:
    """A message that, requested by its id, does not exist at the provider, or exists only outside
    the folders that the provider lists.

    is_certain: False if the provider can say so of a message that has just arrived. Such a message
        stays pending until the change feed or a complete list says that it is gone.
    """

    remote_id: RemoteId
    is_certain: bool = True


Change = Upsert | PartialChange | StateChange | PlacementChange | RemovedMessage | UnreadableMessage


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a change feed, in the provider's order. A message may occur several times on the
    page.

    next_cursor: position after this page; the last page of a round has a next position as well.
    has_more: whether further pages of the round follow, even if this page has no changes. False:
        this page ends the round, which reported the changes up to its start.
    needs_full_sync_next: whether `next_cursor` cannot be used, so that the next round must be a new
        full sync.
    valid_id_prefix: the text with which every present id of the folder's messages begins. A stored
        message of the folder whose id begins otherwise has another id now.
    listed_ids: the ids of all messages of the folder, in the feed of a mailbox those of all
        messages of the mailbox, if messages were removed that the provider cannot name. None:
        `changes` names all that were removed.
    void_id_prefix: the text with which ids begin that the provider has given to other messages. No
        stored message has such an id any more. Empty: there are none.
    compared_states: present states of messages whose changes the provider cannot name. Those that
        differ from the stored states are changes.
    is_listing: the page lists messages that exist, newest first, of a full sync. Those that are not
        stored become pending, instead of being fetched with this page; those that are stored count
        as seen by the full sync with all their placements.
    """

    changes: tuple[Change, ...]
    next_cursor: Cursor
    has_more: bool
    needs_full_sync_next: bool = False
    valid_id_prefix: str = ""
    listed_ids: frozenset[RemoteId] | None = None
    void_id_prefix: str = ""
    compared_states: tuple[StateChange, ...] = ()
    is_listing: bool = False


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """One message in a provider's list, with the state that is compared with the stored row.

    is_read, is_flagged, importance: None: the list does not say.
    version: the provider's version of the message. None: the list has no versions.
    modified_at: time of the last modification. It is compared with rows that were stored without a
        version. None: the list has no such times.
    """

    remote_id: RemoteId
    is_read: bool | None
    version: str | None = None
    modified_at: datetime | None = None
    is_flagged: bool | None = None
    importance: str | None = None


@dataclass(frozen=True, slots=True)
class MessageListing:
    """The provider's list of all messages of one folder, read without the change feed.

    messages: id and state of each message.
    remote_total: the provider's own count of the list. None: the provider gave no count.
    """

    messages: tuple[ListedMessage, ...]
    remote_total: int | None = None

    @property
    def is_complete(self) -> bool:
        """Return whether the list has as many entries as the provider counted."""
        return self.remote_total == len(self.messages)


@dataclass(frozen=True, slots=True)
class PagePlan:
    """The writes for one page of changes, at most one per message.

    pending: ids of messages whose contents are fetched later: the contents of the other messages
        already fill the memory, or the page only lists ids.
    seen_ids: ids of stored messages that a page of a full sync lists.
    groups: `PlacementChange.group` of pending messages that have one.
    slice_changes: changes of those pending messages that workers fetch by their times (`Slice`).
    missing_ids: ids of messages that the provider reports as gone, and that is not certain
        (`GoneMessage`).
    """

    upserts: tuple[Message, ...] = ()
    to_fetch_by_id: tuple[PartialChange, ...] = ()
    removed_ids: tuple[RemoteId, ...] = ()
    unreadable_messages: tuple[UnreadableMessage, ...] = ()
    state_changes: tuple[StateChange, ...] = ()
    placement_changes: tuple[PlacementChange, ...] = ()
    pending: tuple[RemoteId, ...] = ()
    seen_ids: tuple[RemoteId, ...] = ()
    groups: Mapping[RemoteId, str] = field(default_factory=dict)
    slice_changes: tuple[PartialChange, ...] = ()
    missing_ids: tuple[RemoteId, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenRowCounts:
    """How many message rows one transaction inserted, updated, left unchanged, removed or
    quarantined, and how many messages it left pending."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    quarantined: int = 0
    pending: int = 0

    def __add__(self, other: "WrittenRowCounts") -> "WrittenRowCounts":
        return WrittenRowCounts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.removed + other.removed,
            self.quarantined + other.quarantined,
            self.pending + other.pending,
        )
