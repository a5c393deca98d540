"""Define messages, and the changes of messages that a provider reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mailsync.model.ids import Cursor, RemoteId


@dataclass(frozen=True, slots=True)
class Address:
    """A mail address with its display name. The address or the name may be empty."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message with all fields that the mirror stores; times are in UTC.

    Only `remote_id` and `folder_remote_ids` are always present. Drafts have no sender, and items
    that are not mail (such as a contact in Deleted Items) lack most fields.

    remote_id: the provider's id of the message, or the id under which Mailsync stores the message;
        see `current_remote_id`.
    folder_remote_ids: the provider's ids of all folders that contain the message.
    preview: the beginning of the text.
    message_kind: the provider's type of the item, such as `message` or `eventMessageRequest`.
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
    message_kind: str = "message"
    remote_version: str | None = None
    """Text that the provider changes whenever it changes the message, such as an ETag. None: the
    provider gave no version."""
    move_invariant_fingerprint: str | None = None
    """UUID computed from the message, which stays the same when the message moves. Copies of the
    message have the same fingerprint. Only used for providers whose message ids change when a
    message moves (`ProviderTraits`). None: the provider's ids do not change, or the message has too
    little data for a fingerprint."""
    thread_keys: tuple[str, ...] | None = None
    """UUIDs that connect the messages of a conversation: two messages that share one of them belong
    to the same conversation. Only used if the provider does not name conversations. None:
    `conversation_id` is the provider's id of the conversation."""
    current_remote_id: RemoteId | None = None
    """The provider's present id of the message, if the provider's ids change when a message moves;
    then `remote_id` is the id under which Mailsync stores the message. None: `remote_id` is the
    provider's present id."""


@dataclass(frozen=True, slots=True)
class MessageState:
    """The state of a message: the fields that can change after the message has arrived. Used for
    providers at which sender, recipients, subject and body of a message never change.

    remote_version: text computed from the other fields. Two states with different fields have
        different versions.
    importance: importance of the message. None: at this provider the importance never changes.
    """

    is_read: bool
    is_flagged: bool
    is_draft: bool
    categories: tuple[str, ...]
    remote_version: str
    importance: str | None = None


@dataclass(frozen=True, slots=True)
class Upsert:
    """A new or changed message whose contents are completely on the page of the change feed."""

    message: Message

    @property
    def remote_id(self) -> RemoteId:
        return self.message.remote_id


@dataclass(frozen=True, slots=True)
class MessageToFetchById:
    """A new or changed message whose contents are missing on the page of the change feed, or are
    incomplete. The message must be fetched by its id.

    listed_message: the message's state as the page reports it. If the stored row has
        this state, the message need not be fetched. None: the page does not report the whole state.
    received_at: when the message arrived. None: the page does not report the time.
    """

    remote_id: RemoteId
    listed_message: "ListedMessage | None" = None
    received_at: datetime | None = None

    @property
    def can_be_fetched_in_slice(self) -> bool:
        """Return whether a worker can fetch the message with a slice (`TimeSlice`): whether the
        page reports both the message's time of arrival and its version."""
        state = self.listed_message
        return (
            self.received_at is not None and state is not None and state.remote_version is not None
        )


@dataclass(frozen=True, slots=True)
class MessageStateUpsert:
    """A message that is new in the feed's folder, or whose state has changed, with its complete
    present state. Used for providers at which the contents of a message never change: only a
    message that is not stored yet must be fetched by its id.

    move_invariant_fingerprint: see `Message.move_invariant_fingerprint`.
    folder_remote_ids: the provider's ids of all folders of the message. Empty: the message is in
        the feed's folder.
    """

    remote_id: RemoteId
    state: MessageState
    move_invariant_fingerprint: str | None = None
    folder_remote_ids: tuple[RemoteId, ...] = ()


@dataclass(frozen=True, slots=True)
class PlacementOrFlagChange:
    """A message that exists, with the changes of its folders and flags since the feed last named
    the message. On a page that only lists messages (`Page.has_only_message_ids`), the folders are
    empty and the flags are None.

    Used for providers at which the contents of a message never change: only a message that
    is not stored yet must be fetched by its id. In contrast to a PlacementOrFlagChange, a
    MessageStateUpsert contains the complete present state.

    added_folder_remote_ids: the provider's ids of the folders into which the message was put.
    removed_folder_remote_ids: the provider's ids of the folders from which the message was taken.
    is_read, is_flagged, importance: the new value. None: unchanged.
    conversation_id: id of a group of messages. Fetching the contents of a whole group together
        costs less. At most `MAX_REMOTE_ID_BYTES` bytes. None: no group is known.
    """

    remote_id: RemoteId
    added_folder_remote_ids: tuple[RemoteId, ...] = ()
    removed_folder_remote_ids: tuple[RemoteId, ...] = ()
    is_read: bool | None = None
    is_flagged: bool | None = None
    importance: str | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class MessageRemovedFromFolder:
    """A message that a change feed reports as removed from the feed's folder. The message may still
    exist in another folder.

    In contrast, the provider does not find the message of a MessageNotFoundByIdResult in any
    folder.
    """

    remote_id: RemoteId


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A message that exists at the provider and whose contents could not be read.

    cause_name: name of the reason, from a fixed set of names, such as `malformed`.
    cause_explanation: sentence that explains the reason.
    folder_remote_ids: the provider's ids of the message's folders. Empty: the provider named none,
        so the message is in the folder of the page.
    """

    remote_id: RemoteId
    cause_name: str
    cause_explanation: str
    folder_remote_ids: tuple[RemoteId, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageNotFoundByIdResult:
    """A message that was requested by its id and that the provider did not find. The message does
    not exist any more, or exists only outside the folders that the provider lists.

    is_certainly_gone: whether the response proves that the message is gone. False: this provider
        can also answer "not found" for a message that has just arrived. Such a message stays
        pending until the change feed, or a complete list of the messages, shows that the message is
        gone.
    """

    remote_id: RemoteId
    is_certainly_gone: bool = True


MessageChange = (
    Upsert
    | MessageToFetchById
    | MessageStateUpsert
    | PlacementOrFlagChange
    | MessageRemovedFromFolder
    | UnreadableMessage
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a change feed. A message may occur several times on the page.

    changes: the changes in the provider's order.
    next_cursor: position after this page. The last page of a round has a next position as well: the
        start of the next round.
    has_more: whether further pages of the round follow. True is possible on a page without changes.
        False: this is the last page of the round.
    next_round_is_full_sync: whether the next round must be a full sync, because `next_cursor`
        cannot be used for another round.
    current_message_id_prefix: the prefix of all present message ids of the folder. A stored
        message of the folder with another prefix has got a new id. Empty: ids have no such prefix.
    remote_ids_of_all_messages_of_feed: the ids of all messages that exist in the feed's folder, or
        in the mailbox if the feed covers the mailbox. The provider needs this list if it knows that
        messages were removed, but not which messages. None: `changes` names every removed message.
    invalidated_message_id_prefix: the prefix of message ids that have become invalid, because
        the provider has numbered the folder's messages anew. Stored messages lose ids with this
        prefix. Empty: no ids have become invalid.
    possibly_changed_message_states: present states of messages, if the provider does not report
        which messages have changed. A message whose stored state differs has changed.
    has_only_message_ids: whether this page of a full sync only lists messages, the newest first.
        Listed messages that are not stored become pending and are fetched later. Listed messages
        that are stored count as seen by the full sync, with all their placements.
    """

    changes: tuple[MessageChange, ...]
    next_cursor: Cursor
    has_more: bool
    next_round_is_full_sync: bool = False
    current_message_id_prefix: str = ""
    remote_ids_of_all_messages_of_feed: frozenset[RemoteId] | None = None
    invalidated_message_id_prefix: str = ""
    possibly_changed_message_states: tuple[MessageStateUpsert, ...] = ()
    has_only_message_ids: bool = False


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """One message in a provider's list, with the state that is compared with the stored row.

    is_read, is_flagged, importance: the listed value. None: the list does not contain this value.
    remote_version: the provider's version of the message. None: the list contains no versions.
    modified_at: time of the last modification. It is compared if the stored row has no version.
        None: the list contains no such times.
    """

    remote_id: RemoteId
    is_read: bool | None
    remote_version: str | None = None
    modified_at: datetime | None = None
    is_flagged: bool | None = None
    importance: str | None = None


@dataclass(frozen=True, slots=True)
class MessageListing:
    """The provider's list of all messages of one folder, read without the change feed.

    messages: id and state of each message.
    remote_message_count: the number of messages that the list should have, according to the
        provider. None: the provider gave no number, so the list does not count as complete.
    """

    messages: tuple[ListedMessage, ...]
    remote_message_count: int | None = None

    @property
    def is_complete(self) -> bool:
        """Return whether the list has as many messages as the provider counted."""
        return self.remote_message_count == len(self.messages)


@dataclass(frozen=True, slots=True)
class PagePlan:
    """The writes for one page of changes, at most one write per message.

    upserts: complete messages to insert or update.
    messages_to_fetch_now: changes of messages that must be fetched by their ids before this page is
        stored.
    message_ids_to_remove_from_folder: ids of messages to take out of the feed's folder.
    unreadable_messages: messages to put into quarantine.
    state_upserts: stored messages whose folders and flags become those of the complete new state.
    placement_or_flag_changes: changes of single folders or single flags of stored messages.
    pending_message_ids: ids of messages to store as pending; their contents are fetched later. The
        reason is that the page only lists ids, or that the contents would need too much memory.
    message_ids_to_stamp_with_generation: ids of stored messages that the page of a full sync lists.
        Their placements get the generation of the full sync.
    conversation_id_by_pending_message_id: `PlacementOrFlagChange.conversation_id` of the pending
        messages that have one.
    messages_to_fetch_in_slices: changes of the pending messages that workers fetch in slices
        (`TimeSlice`).
    possibly_gone_message_ids: ids of messages that the provider did not find, if this does not
        prove that they are gone (`MessageNotFoundByIdResult.is_certainly_gone` is False). They are
        stored as pending, so that they are requested again.
    """

    upserts: tuple[Message, ...] = ()
    messages_to_fetch_now: tuple[MessageToFetchById, ...] = ()
    message_ids_to_remove_from_folder: tuple[RemoteId, ...] = ()
    unreadable_messages: tuple[UnreadableMessage, ...] = ()
    state_upserts: tuple[MessageStateUpsert, ...] = ()
    placement_or_flag_changes: tuple[PlacementOrFlagChange, ...] = ()
    pending_message_ids: tuple[RemoteId, ...] = ()
    message_ids_to_stamp_with_generation: tuple[RemoteId, ...] = ()
    conversation_id_by_pending_message_id: Mapping[RemoteId, str] = field(default_factory=dict)
    messages_to_fetch_in_slices: tuple[MessageToFetchById, ...] = ()
    possibly_gone_message_ids: tuple[RemoteId, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenRowCounts:
    """How many message rows one transaction inserted, updated, left unchanged, removed or put into
    quarantine, and how many messages it stored as pending."""

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
