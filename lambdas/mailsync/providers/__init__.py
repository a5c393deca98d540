"""Define the interface to a mail provider."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from mailsync.model import (
    AccessToken,
    Cursor,
    FeedId,
    FeedRef,
    FolderListing,
    FolderRef,
    FolderTreeReadingMode,
    Message,
    MessageListing,
    MessageNotFoundByIdResult,
    NewestInboxMessages,
    Page,
    RemoteId,
    StoredFolder,
    Subscription,
    TimeSlice,
    TimeSlicePage,
    UnreadableMessage,
)


class AccessTokenSource(Protocol):
    """Interface of a source that returns the access token of one account."""

    def get_current_token(self) -> AccessToken: ...

    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken:
        """Return an access token to use instead of `refused`, which the provider rejected.

        The result is `refused` itself if that token was issued so recently that a renewal would not
        help.
        """
        ...


class FeedUnreadableError(Exception):
    """The provider cannot deliver a page of the change feed, even a page of a single message.

    The caller then starts a new full sync of the folder or mailbox with the provider's next kind of
    feed (`MailProvider.fetch_feed_page`, `fallback`). The workflow never receives this error.
    """


class ResponseTooLarge(Exception):
    """The requested messages exceed the memory limit of one response.

    The caller requests fewer messages at a time. The workflow never receives this error.
    """


@dataclass(frozen=True, slots=True)
class ProviderTuning:
    """The numbers of a provider that determine how a sync divides its work.

    messages_per_fetch: number of messages that one call of `fetch_messages` fetches most
        efficiently.
    max_messages_in_batch_of_small_folders: number of messages that the provider delivers in about
        half a minute. The first full syncs of small folders, with together at most this many
        messages, run in one function; all other folders are left to parallel functions.
    feeds_to_read_per_connection: number of change feeds that one Lambda function reads one after
        the other over one connection. 1: a new connection costs nothing.
    is_full_batch_allowed_if_shared: a call of `fetch_messages` may fetch several messages while
        other workers use the mailbox, because the client never sends too many requests at the same
        time. False: the provider processes the messages of a call as concurrent requests, so the
        caller then fetches one message per call.
    max_feed_read_interval_while_pending_s: longest time in seconds between two readings of a feed's
        changes while messages of the feed are pending. None: the changes are read only after all
        pending messages were fetched.
    messages_per_page: number of messages to request per page, if larger pages than the default are
        more efficient. The provider's client limits the bytes of such a page. 0: the default page
        size.
    """

    messages_per_fetch: int
    max_messages_in_batch_of_small_folders: int
    feeds_to_read_per_connection: int = 1
    is_full_batch_allowed_if_shared: bool = False
    max_feed_read_interval_while_pending_s: float | None = None
    messages_per_page: int = 0


@dataclass(frozen=True, slots=True)
class ProviderTraits:
    """The properties of mailboxes that differ between providers.

    has_feed_per_folder: each folder has a change feed of its own. False: one feed reports the
        changes of the whole mailbox.
    has_one_folder_per_message: each message is in exactly one folder. False: a message can be in
        several folders (labels).
    do_ids_survive_moves: a message that is moved keeps its id. False: a moved message gets a new
        id, so a missing id does not prove that the message is gone.
    all_mail_folder_id: the provider's id of the folder that contains every message outside trash
        and junk. The store derives a message's placement in this folder from the other placements
        after each PlacementOrFlagChange. None: there is no such folder.
    is_listing_cheaper_than_fetching: listing the ids of a folder costs much less than fetching its
        messages. A comparison then repairs placements and read states from the list alone. False: a
        comparison fetches the messages that differ.
    """

    has_feed_per_folder: bool = True
    has_one_folder_per_message: bool = True
    do_ids_survive_moves: bool = True
    all_mail_folder_id: RemoteId | None = None
    is_listing_cheaper_than_fetching: bool = False


@runtime_checkable
class CompleteMessageLister(Protocol):
    """Interface of a provider's client that can list the complete messages of a folder. Fetching
    many messages of a folder then costs one request per page instead of one request per message."""

    def iter_pages_of_complete_messages(
        self, folder: FolderRef
    ) -> Iterator[Sequence[Message | UnreadableMessage]]:
        """Yield the complete messages of a folder, page by page. Each page is requested after the
        call, so no message is in a state from before the call. The list may lack messages. It ends
        early if a message of a page makes the page fail.

        Raises:
            FolderGone: the folder does not exist, according to a request by its id.
            ProviderThrottled, ProviderUnavailable, ProviderRejected, AccessRevoked: see
                `MailProvider`.
        """
        ...


@runtime_checkable
class TimeSliceReader(Protocol):
    """Interface of a provider's client with which several workers can fetch the messages of one
    folder at the same time. Each worker fetches the messages of a span of time (a slice). The
    folder's change feed then only names the messages. Every method may raise the errors of
    `MailProvider`."""

    def fetch_first_page_of_message_ids(self, feed: FeedRef, *, limit: int) -> Page | None:
        """Fetch the first page of a full sync of a folder. The pages of this full sync name
        messages without their contents, the newest message first. `fetch_feed_page` fetches the
        later pages, and `fetch_time_slice` fetches the contents.

        limit: approximate number of messages of a page with contents. A page without contents may
            have more.

        Returns None if the provider rejects such a feed.

        Raises:
            FolderGone: the folder does not exist, according to a request by its id.
        """
        ...

    def fetch_time_slice(
        self, feed: FeedRef, part: TimeSlice, *, following: TimeSlice | None = None
    ) -> TimeSlicePage | None:
        """Fetch the newest messages of a folder that arrived within the time span of a slice. The
        result has at most as many messages as the slice. Several workers, each in a process of its
        own, may call this method for one folder at the same time.

        part: the slice.
        following: the slice of the next call. The client may request it while the caller stores the
            messages of this call. None: not known yet.

        Returns None if the provider rejects this request and responds to others.
        """
        ...


class MailProvider(Protocol):
    """Interface of a client for one mailbox at its provider: reads folders, messages and change
    feeds.

    Every method raises:
        ProviderThrottled: the provider requests a pause that exceeds the retry budget.
        ProviderUnavailable: the provider failed; nothing was changed, and a retry can succeed.
        ProviderRejected: the provider rejects the request, and a retry would not help.
        AccessRevoked: no access token is available until a person acts.
    """

    @property
    def used_quota_units(self) -> int:
        """Return the units of the provider's quota that the requests of this object have used."""
        ...

    @property
    def provider_tuning(self) -> ProviderTuning: ...

    @property
    def provider_traits(self) -> ProviderTraits: ...

    @property
    def max_requests_in_flight(self) -> int:
        """Return the number of concurrent requests that the provider accepts, at least 1."""
        ...

    @property
    def remaining_provider_pause_s(self) -> float:
        """Return the remaining seconds of a pause that the provider requested; 0 without a
        pause."""
        ...

    def fetch_newest_inbox_mail(self, *, limit: int) -> NewestInboxMessages | None:
        """Fetch the Inbox and its newest messages, in fewer round trips than the Inbox's change
        feed needs.

        The caller calls this method before `list_folders`, for a mailbox of which nothing is
        stored. In the same round trip, the client may also send requests whose responses
        `list_folders` will use. If the request for the Inbox fails, no error is raised.

        limit: maximum number of messages.

        Returns None if the Inbox could not be read, or if the provider has no faster way than the
        change feed.
        """
        ...

    def list_folders(
        self, known: Sequence[StoredFolder], reading: FolderTreeReadingMode
    ) -> FolderListing:
        """List the mail folders of all levels, including hidden folders and without search folders.

        known: the stored folders, the most recently changed folder first. Each stored folder that
            the provider's list lacks is requested by its id.
        reading: how much of the folder tree to read.
        """
        ...

    def fetch_feed_page(
        self, feed: FeedRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        """Fetch the next page of a change feed.

        feed: the feed of a folder, or of the mailbox if the provider has no feed per folder. A
            message that the feed of a folder reports as removed has left this folder. A message
            that the feed of a mailbox reports as removed has left all folders. An Upsert names all
            folders of its message.
        cursor: position after which changes are returned; each position can be used repeatedly.
            None: start a full sync.
        limit: approximate number of messages of the page.
        fallback: index of the kind of feed with which a full sync starts, in the provider's list of
            kinds. 0: the usual kind. The caller adds 1 each time a kind has failed for this folder
            or mailbox.

        Raises:
            CursorExpired: the provider rejects the cursor; repeat the call without a cursor.
            FeedUnreadableError: a page of a single message fails; repeat the call without a cursor
                and with `fallback` + 1.
            FolderGone: the folder does not exist, according to a request by its id.
        """
        ...

    def fetch_next_page_of_each_feed(
        self,
        positions: Sequence[tuple[FeedRef, Cursor | None]],
        *,
        limit: int,
        following: Sequence[tuple[FeedRef, Cursor | None]] = (),
    ) -> Mapping[FeedId, Page]:
        """Fetch the next page of each of many change feeds, in as few requests as possible.

        positions: feeds with their cursors. None as a cursor: fetch the first page of a full sync.
        limit: approximate number of messages of each page.
        following: the positions of the next call. The client may request their pages while the
            caller stores the pages of this call.

        Returns pages by feed id. A feed whose page fails is missing in the result; a call of
        `fetch_feed_page` for this feed raises the error.
        """
        ...

    def list_folder_messages(self, folder: FolderRef, *, has_flags: bool = True) -> MessageListing:
        """List all current messages of the folder without using its change feed.

        has_flags: list read states and other flags too. False: the caller needs only the ids, and
            the list may lack flags that would cost further requests.

        Raises:
            FolderGone: the folder does not exist, according to a request by its id.
        """
        ...

    def note_feed_to_read_ahead(self, feed: FeedRef | None) -> None:
        """Note the feed whose full sync begins after the present feed was read. The client may then
        fetch the first page of the noted feed early. A client that does not read ahead does
        nothing.

        feed: None: no feed follows.
        """
        ...

    def note_groups_before_fetch(self, groups: Mapping[RemoteId, str]) -> None:
        """Note which messages belong together, before `fetch_messages` is called for them. The
        client may fetch the messages of a group together, such as the messages of a Gmail thread. A
        client without groups does nothing.

        groups: group of each message (`PlacementOrFlagChange.conversation_id`), by message id.
        """
        ...

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | MessageNotFoundByIdResult | UnreadableMessage]:
        """Fetch messages by id. Return one result for each of the first ids, in the order of the
        ids.

        The results cover all ids, unless the provider requests a pause during the call or the
        memory limit is reached. They cover at least one id. After a requested pause, the next call
        raises ProviderThrottled.

        The result for a message is an UnreadableMessage with the cause `unanswered` if only the
        request for this message fails, and with the cause `too_large` if the message exceeds the
        memory limit.

        one_by_one: send fewer requests at the same time, because other workers use the mailbox too;
            most clients then send one at a time.

        Raises:
            ResponseTooLarge: one response for several messages exceeds the memory limit. The caller
                must request fewer ids at a time. Never raised for a single id.
        """
        ...

    def close(self) -> None: ...


class PushProvider(Protocol):
    """Interface of a client for the push subscriptions of one mailbox at its provider.

    Every method may raise the errors of `MailProvider`.
    """

    def subscribe(self, callback_url: str, secret: str, until: datetime) -> Subscription:
        """Create a subscription, so that the provider sends notifications of changed mail.

        callback_url: webhook that receives the notifications. The provider may call it before this
            method returns.
        secret: client state that each notification contains. A provider that signs its
            notifications does not use the secret.
        until: requested expiry; the provider may grant less time.
        """
        ...

    def renew_subscription(
        self, remote_id: RemoteId, callback_url: str, until: datetime
    ) -> datetime | None:
        """Renew a subscription and return its new expiry.

        Returns None if no subscription with this id notifies `callback_url`.
        """
        ...

    def find_subscriptions(self, callback_urls: Sequence[str]) -> Iterator[Sequence[RemoteId]]:
        """Yield the ids of this mailbox's subscriptions that notify one of `callback_urls`, page by
        page.

        A page may be empty although later pages are not. The provider's list can lack existing
        subscriptions and contain ended ones.
        """
        ...

    def unsubscribe(self, remote_id: RemoteId) -> bool:
        """End a subscription at the provider. Return False if the provider reports that the
        subscription does not exist."""
        ...

    def close(self) -> None: ...
